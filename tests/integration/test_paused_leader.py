"""A leader paused between its lease check and its send, while another takes over: what it still sends changes nothing.

Two operators run in this process under the operator's Role. The first one's connection is held at exactly that point:
its client has just been permitted to write and hands the request to the transport.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.invariants import Tolerance, check, events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session
from tests.stack.programs import OPERATOR_ACCOUNT

import greenroom_operator.program
from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.transport import Answer, Request, Stream, Transport
from greenroom_core.world import World
from greenroom_operator.program import Operator
from greenroom_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

LEASE_SECONDS = 3.0
PATIENT = Tolerance(quiet_seconds=12.0)


class Gate:
    """A transport that stops for good at the first bind of the session that it is armed for, until it is opened: then
    that bind goes first, and all else once it is answered."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._open = asyncio.Event()
        self._open.set()
        self._released = asyncio.Event()
        self.armed_for = ""
        self.held = asyncio.Event()

    def open(self) -> None:
        self.armed_for = ""
        self._released.set()

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        if self.armed_for and self._is_its_bind(request):
            self._open.clear()
            self.held.set()
            await self._released.wait()
            try:
                return await self._inner.send(request, timeout_seconds)
            finally:
                self._open.set()
        await self._open.wait()
        return await self._inner.send(request, timeout_seconds)

    def stream(self, request: Request, silence_seconds: float) -> AbstractAsyncContextManager[Stream]:
        return self._stream(request, silence_seconds)

    @asynccontextmanager
    async def _stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        async with self._inner.stream(request, silence_seconds) as stream:
            yield Stream(stream.status, self._lines(stream.lines))

    async def _lines(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for line in lines:
            await self._open.wait()
            yield line

    def _is_its_bind(self, request: Request) -> bool:
        body = request.body or b""
        return request.path.endswith(f"/{self.armed_for}/status") and b'"podUID"' in body


class Replica:
    """One operator in this process."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        self._name = name

    async def __aenter__(self) -> Replica:
        stack = self._stack
        environment = await stack.launchpad.account(self._name, OPERATOR_ACCOUNT)
        self._http = HttpTransport(auth.discover({**os.environ, **environment}), user_agent="greenroom-operator")
        await self._http.__aenter__()
        self.gate = Gate(self._http)
        settings = Settings(namespace=stack.namespace, lease_seconds=LEASE_SECONDS)
        world = World(SystemClock(), Random(self._name), self.gate)
        self.operator = Operator(world, settings, lease_namespace=stack.namespace, identity=self._name)
        self._task = asyncio.create_task(self.operator.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.open()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._http.__aexit__(None, None, None)

    async def until_leading(self) -> None:
        async with asyncio.timeout(60):
            while not self.operator.leading:
                await asyncio.sleep(0.02)


async def no_fence(*_: object) -> int:
    return 0


@asynccontextmanager
async def scene(plane: ControlPlane, directory: Path, fleet: FleetPlan) -> AsyncIterator[tuple[Stack, Replica]]:
    """A stack whose only operator, in this process, leads; its pods are ready."""
    stack = Stack(plane, directory, [fleet], operators=0, apis=0, tolerance=PATIENT)
    async with stack, Replica(stack, "first") as first:
        await stack.until_pods_ready(fleet.pods)
        yield stack, first


async def pause_at_bind_of(stack: Stack, replica: Replica, name: str) -> None:
    async with asyncio.timeout(60):
        await replica.gate.held.wait()
    assert replica.operator.leadership.valid(), "it was permitted, and it is about to send"
    body = stack.recorder.session(name)
    assert body is not None
    assert events.pod_uid(body) is None


@pytest.mark.parametrize("fenced", [True, False], ids=["fenced", "without the fence"])
async def test_the_last_slot(
    control_plane: ControlPlane,
    installed_crds: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fenced: bool,
) -> None:
    """The paused leader gave the only slot to one session, its successor gives it to another. The second variant
    takes the fence away and shows that both this scene and the checker would notice."""
    async with scene(control_plane, tmp_path, FleetPlan(pods=1, slots=1)) as (stack, first):
        stack.judged = fenced
        await stack.kubectl.apply(session("before", "call-0"))
        await stack.until_phase("before", "Running")
        await stack.kubectl.apply(session("planned", "call-1"))
        # Told why it waits, with its finalizer: nothing but the bind is left to be written on it.
        await stack.until("planned", lambda body: events.condition(body, "Scheduled") is not None)
        first.gate.armed_for = "planned"
        await stack.request_close("before")
        await pause_at_bind_of(stack, first, "planned")
        await stack.kubectl.apply(session("urgent", "call-2", priority=9))
        if not fenced:
            monkeypatch.setattr(greenroom_operator.program, "fence", no_fence)
        async with Replica(stack, "second") as second:
            await second.until_leading()
            await stack.until_phase("urgent", "Running")
            assert not first.operator.leadership.valid()
            first.gate.open()
            if not fenced:
                await stack.until("planned", lambda body: events.attempt(body) == 1)
            else:
                await stack.request_close("urgent")
                await stack.until_phase("planned", "Running")
                assert events.attempt(stack.recorder.session("planned") or {}) == 1, "its first bind never landed"
            await stack.settle()
    # Judged after its end, so that nothing can still be on its way.
    broken = {violation.rule for violation in check(stack.recorder.events, PATIENT)}
    assert broken == (set() if fenced else {"I1 slots"})


async def test_one_session_for_each_call(control_plane: ControlPlane, installed_crds: None, tmp_path: Path) -> None:
    fleet = FleetPlan(pods=2, slots=10, limits={"maxSessionsPerCall": 1})
    async with scene(control_plane, tmp_path, fleet) as (stack, first):
        first.gate.armed_for = "raced-0"
        await stack.kubectl.apply(*(session(f"raced-{number}", "raced") for number in range(12)))
        await pause_at_bind_of(stack, first, "raced-0")
        async with Replica(stack, "second") as second:
            await second.until_leading()
            first.gate.open()
            for number in range(12):
                await stack.until(f"raced-{number}", lambda body: events.phase(body) in ("Running", "Failed"))
            left = [events.name(body) for body in stack.recorder.sessions() if not events.ended(body)]
            assert len(left) == 1
            await stack.settle()
