"""Brings everything up in order, helps to wait, and in the end judges the run."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.invariants import KeyedAnswer, Recorder, Tolerance, assert_holds, events
from tests.stack.fleet import FleetPlan
from tests.stack.journal import Journal
from tests.stack.kubectl import Kubectl
from tests.stack.meters import ServerMeter, difference
from tests.stack.policies import put_under_policies
from tests.stack.programs import Launchpad, Program, install_accounts
from tests.stack.relay import Relay
from tests.stack.rest import Rest

from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.errors import NotFound
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_local.node import ProcessNode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from greenroom_local.control_plane import ControlPlane

CALM = Tolerance()
_READY_SECONDS = 60.0
_PATIENCE_SECONDS = 60.0
_STOP_SECONDS = 8.0


class Stack:
    """``async with Stack(plane, directory, ...) as stack:``: operators, APIs and pods are ready inside.

    Leaving without an error runs :meth:`judge` first, unless `judged` has been set to False. With no operators nobody
    makes pods, so none are waited for. `relayed` puts a relay between the programs and the API server.
    `node_reports_seconds`: so often the node reports itself ready, for controllers that would take it for dead.
    """

    def __init__(
        self,
        plane: ControlPlane,
        directory: Path,
        fleets: Sequence[FleetPlan] = (FleetPlan(),),
        *,
        operators: int = 1,
        apis: int = 1,
        tolerance: Tolerance = CALM,
        relayed: bool = False,
        node_reports_seconds: float | None = None,
    ) -> None:
        self.plane = plane
        self.namespace = f"stack-{uuid.uuid4().hex[:8]}"
        self.directory = directory / self.namespace
        self.directory.mkdir(parents=True)
        self.fleets = fleets
        self.tolerance = tolerance
        self.judged = True
        self.answers: list[KeyedAnswer] = []
        self.kubectl = Kubectl(plane, self.namespace)
        self.journal = Journal(self.directory / "journal")
        self.operators: list[Program] = []
        self.apis: list[Program] = []
        self.rest: list[Rest] = []
        self.launchpad = Launchpad(plane, self.namespace, self.directory)
        self._relay = Relay(plane.port) if relayed else None
        self._node_reports_seconds = node_reports_seconds
        self._counts = (operators, apis)
        self._meter = ServerMeter(plane.admin)
        self._opened = AsyncExitStack()

    @property
    def relay(self) -> Relay:
        """Between the programs and the API server, where the stack is `relayed`."""
        assert self._relay is not None, "the stack is not relayed"
        return self._relay

    @property
    def api(self) -> Rest:
        """The first API's client."""
        return self.rest[0]

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.judged:
                await self.judge()
        finally:
            await self._opened.aclose()

    async def _open(self) -> None:
        clock = SystemClock()
        await self.plane.ensure_namespace(self.namespace)
        await install_accounts(self.plane, self.namespace)
        await put_under_policies(self.plane, self.namespace)
        self._asked_before = await self._meter.read()
        transport = await self._opened.enter_async_context(
            HttpTransport(_admin(self.plane, self.namespace), user_agent="greenroom-test")
        )
        self.client = KubeClient(World(clock, Random(1), transport))
        self.recorder = Recorder(transport, self.namespace, clock)
        recording = asyncio.create_task(self.recorder.run())
        self._opened.push_async_callback(_ended, recording)
        await self.recorder.started.wait()
        if self._relay is not None:
            await self._opened.enter_async_context(self._relay)
            self.launchpad.api_server_port = self._relay.port
        port = self.launchpad.api_server_port
        self.node = await self._opened.enter_async_context(
            ProcessNode(
                self.plane,
                self.namespace,
                self.directory / "node",
                api_server_port=port,
                report_seconds=self._node_reports_seconds,
            )
        )
        self._opened.push_async_callback(self._stop_programs)
        operators, apis = self._counts
        self.operators = [await self.launchpad.operator(number) for number in range(operators)]
        self.apis = [await self.launchpad.api(number) for number in range(apis)]
        for program in (*self.operators, *self.apis):
            program.process.start()
        for fleet in self.fleets:
            await self.apply_fleet(fleet)
        for api in self.apis:
            self.rest.append(await self._opened.enter_async_context(Rest(api.url)))
        for program in (*self.operators, *self.apis):
            await program.until_ready()
        for fleet in self.fleets if operators else ():
            await self.until_pods_ready(fleet.pods, fleet.name)

    async def apply_fleet(self, fleet: FleetPlan) -> None:
        path = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/agentruntimes/{fleet.name}"
        await self.plane.admin.apply(path, fleet.body(self.journal.path))

    # --- waiting ---

    async def until_pods_ready(self, count: int, runtime: str = names.DEFAULT_RUNTIME) -> list[str]:
        """The names of the fleet's open pods, once there are `count`."""
        what = f"{count} ready pods of {runtime}"
        await self.recorder.until(lambda: len(self.open_pods(runtime)) == count, _READY_SECONDS, what)
        return self.open_pods(runtime)

    def open_pods(self, runtime: str = names.DEFAULT_RUNTIME) -> list[str]:
        return [
            events.name(pod)
            for pod in self.recorder.pods()
            if events.label(pod, names.RUNTIME_LABEL) == runtime and events.open_to_sessions(pod)
        ]

    async def until(
        self, name: str, holds: Callable[[Mapping[str, Any]], Any], seconds: float = _PATIENCE_SECONDS
    ) -> Any:
        """The session as soon as `holds` of it. AssertionError with its history when it does not in time."""
        try:
            return await self.recorder.until_session(name, holds, seconds)
        except TimeoutError:
            steps = [f"{e.at:.3f} {e.type} {dict(events.status(e.body))}" for e in self.recorder.history(name)]
            raise AssertionError("\n    ".join([f"session {name}: not in {seconds:g} s", *steps[-30:]])) from None

    async def until_phase(self, name: str, phase: str, seconds: float = _PATIENCE_SECONDS) -> Any:
        return await self.until(name, lambda body: events.phase(body) == phase, seconds)

    async def until_ended(self, name: str, seconds: float = _PATIENCE_SECONDS) -> Any:
        """The status that it ended with."""
        return events.status(await self.until(name, events.ended, seconds))

    async def until_gone(self, name: str, seconds: float = _PATIENCE_SECONDS) -> None:
        await self.recorder.until(lambda: self.recorder.session(name) is None, seconds, f"session {name} gone")

    async def settle(self, seconds: float = _PATIENCE_SECONDS) -> None:
        """Closes what still lives, and waits until nothing does and nothing is on its way out."""
        for body in self.recorder.sessions():
            if not events.ended(body):
                with contextlib.suppress(NotFound):
                    await self.request_close(events.name(body))

        def settled() -> bool:
            return all(events.ended(body) and not events.deleting(body) for body in self.recorder.sessions())

        try:
            await self.recorder.until(settled, seconds, "the end of all sessions")
        except AssertionError:
            return  # the judge names those that are left, with their histories

    async def request_close(self, name: str) -> None:
        """By annotation, as anybody may."""
        patch = annotation_patch({names.CLOSE_REQUESTED: "now"})
        await self.client.merge_patch(SESSIONS, self.namespace, name, patch)

    # --- judging ---

    async def judge(self) -> None:
        """Every promise held, nobody was denied anything, no program tripped over itself."""
        await self.settle()
        assert_holds(self.recorder.events, self.tolerance, self.answers)
        assert not self.journal.doubles(), self.journal.doubles()
        await self.judge_denials()
        self.judge_logs()

    async def judge_denials(self) -> None:
        """Of no use where the API server was started anew: its counters begin again."""
        asked = difference(self._asked_before, await self._meter.read())
        denied = {key: count for key, count in asked.items() if key[2] in ("401", "403")}
        assert not denied, f"programs asked for what their Roles do not allow: {denied}"

    def judge_logs(self) -> None:
        for program in (*self.operators, *self.apis):
            assert "Traceback" not in program.log, f"{program.name} tripped:\n{program.log}"

    async def _stop_programs(self) -> None:
        running = [program.process for program in (*self.apis, *self.operators) if program.process.started]
        await asyncio.gather(*(process.stop(_STOP_SECONDS) for process in running))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _admin(plane: ControlPlane, namespace: str) -> Credentials:
    """For the test itself; no program under test ever has this."""
    tls = ssl.create_default_context(cafile=str(plane.files.ca))
    tls.load_cert_chain(plane.files.admin, plane.files.admin_key)
    return Credentials(plane.server_url, tls, lambda: None, namespace)
