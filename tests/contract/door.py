"""The one thing that contract tests are written against: a door to an API server, fake or real.

``@on_both`` runs a test twice, ``@on_fake`` and ``@on_real`` once. Tests are ``async def test_…(door: Door)``: on the
fake they run on virtual time, on the real server on a common loop.

The suite holds what Greenroom relies on of the API server, a test for each behaviour. Tokens, roles, admission policy
and printer columns are shown on the real server alone; faults of the network and of the server, and what a client makes
of them, on the fake alone. Not in it, since etcd and kube-apiserver alone cannot show it: what a PodDisruptionBudget
makes of pods without a scale (that takes the controller manager), and what a policy or a write costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.contract.meddling import Meddling
from tests.crds import install
from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.virtual_time import run_virtual

from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.client import KubeClient, Selection, WatchEvent
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import SESSIONS, Kind, R, encode
from greenroom_core.kube.transport import Answer, Request
from greenroom_core.model import names
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from greenroom_core.clock import Clock
    from greenroom_core.model.session import AgentSession
    from greenroom_local.control_plane import ControlPlane

    Scenario = Callable[["Door"], Awaitable[None]]

Object = dict[str, Any]
WAIT_SECONDS = 60.0


class Shortened(Random):
    """The client asks watches to last 300 to 600 s; a test that waits for their end asks for less."""

    def __init__(self, watch_seconds: int | None) -> None:
        super().__init__(1)
        self._watch_seconds = watch_seconds

    def randint(self, a: int, b: int) -> int:
        return super().randint(a, b) if self._watch_seconds is None else self._watch_seconds


class Events:
    """What a watch says, one event at a time."""

    def __init__(self, stream: AsyncIterator[WatchEvent], clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    async def next(self) -> tuple[str, Object]:
        """Type and object of the next event; TimeoutError when none comes."""
        async with self._clock.timeout(WAIT_SECONDS):
            event = await anext(self._stream)
        return event.type, msgspec.json.decode(event.object)


@dataclass
class Door:
    """`transport` may be meddled with; `fake` is None on the real server, `plane` and `admin` on the fake."""

    clock: Clock
    namespace: str
    transport: Meddling
    fake: FakeApiServer | None = None
    plane: ControlPlane | None = None
    client: KubeClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.new_client()

    def new_client(self, *, watch_seconds: int | None = None, **more: Any) -> KubeClient:
        return KubeClient(World(self.clock, Shortened(watch_seconds), self.transport), **more)

    def script(self) -> Script:
        """Faults for the fake's transport, from now on."""
        assert self.fake is not None
        script = Script(self.clock)
        self.transport.inner.faults = script  # type: ignore[attr-defined]
        return script

    async def install(self, crd: Mapping[str, Any]) -> None:
        if self.fake is not None:
            self.fake.install(crd)
        if self.plane is not None:
            await install(self.plane.admin, crd)

    async def raw(
        self, method: str, path: str, body: object = None, content_type: str = "application/json", **query: str
    ) -> tuple[int, Object]:
        """One request without the client: status and body."""
        data = None if body is None else encode(body)
        answer: Answer = await self.transport.send(Request(method, path, query, data, content_type), 20.0)
        return answer.status, msgspec.json.decode(answer.body)

    async def create(self, name: str = "", **metadata: Any) -> AgentSession:
        """A session of this door's namespace, of the call `call-1`."""
        return await self.client.create(SESSIONS, self.namespace, session(name or unique(), **metadata))

    async def patch_status(self, name: str, **status: Any) -> AgentSession:
        """A merge patch of the status without precondition."""
        return await self.client.merge_patch(SESSIONS, self.namespace, name, {"status": status}, subresource="status")

    async def get(self, name: str) -> AgentSession:
        return await self.client.get(SESSIONS, self.namespace, name)

    async def version(self, kind: Kind[R]) -> str:
        """The version that a watch may start from now."""
        return (await self.client.list(kind, Selection(self.namespace))).version

    @contextlib.asynccontextmanager
    async def watching(
        self, kind: Kind[Any] = SESSIONS, *, fields: str = "", labels: str = "", version: str = ""
    ) -> AsyncIterator[Events]:
        """Events of this namespace from `version` (empty: from now) on."""
        version = version or await self.version(kind)
        selection = Selection(self.namespace, labels, fields)
        async with self.client.watch(kind, selection, version) as stream:
            yield Events(stream, self.clock)


def session(name: str, *, spec: Mapping[str, Any] | None = None, **metadata: Any) -> Object:
    """A manifest of a session."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentSession",
        "metadata": {"name": name, **metadata},
        "spec": {"callId": "call-1", **(spec or {})},
    }


def runtime(name: str, **spec: Any) -> Object:
    """A manifest of an AgentRuntime."""
    template = {"spec": {"containers": [{"name": "agent", "image": "agent"}]}}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentRuntime",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def pod(name: str, *, node: str = "", **metadata: Any) -> Object:
    """A manifest of a pod, on a node from the start where one is named."""
    spec: Object = {"containers": [{"name": "agent", "image": "agent"}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def unique(prefix: str = "s") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def on_both(scenario: Scenario) -> Callable[..., None]:
    """The test runs against the fake and against the real server."""
    return _test(scenario, "fake", "real")


def on_fake(scenario: Scenario) -> Callable[..., None]:
    """Only the fake can be made to do what the test needs."""
    return _test(scenario, "fake")


def on_real(scenario: Scenario) -> Callable[..., None]:
    """Only the real server has what the test is about."""
    return _test(scenario, "real")


def _test(scenario: Scenario, *sides: str) -> Callable[..., None]:
    marks = {"real": [pytest.mark.integration]}

    @pytest.mark.parametrize("side", [pytest.param(side, marks=marks.get(side, ())) for side in sides])
    def test(side: str, request: pytest.FixtureRequest) -> None:
        if side == "fake":
            run_virtual(_with_fake(scenario))
            return
        request.getfixturevalue("installed_crds")
        asyncio.run(_with_real(scenario, request.getfixturevalue("control_plane")))

    test.__name__, test.__doc__, test.__module__ = scenario.__name__, scenario.__doc__, scenario.__module__
    return test


async def _with_fake(scenario: Scenario) -> None:
    server = FakeApiServer()
    transport = server.transport()
    await scenario(Door(server.clock, "default", Meddling(transport), fake=server))
    await transport.aclose()


async def _with_real(scenario: Scenario, plane: ControlPlane) -> None:
    namespace = unique("contract")
    await plane.ensure_namespace(namespace)
    async with real_transport(plane) as transport:
        await scenario(Door(SystemClock(), namespace, Meddling(transport), plane=plane))


def real_transport(plane: ControlPlane, token: str | None = None) -> HttpTransport:
    """As the administrator, or with a service account's token."""
    tls = ssl.create_default_context(cafile=str(plane.files.ca))
    if token is None:
        tls.load_cert_chain(plane.files.admin, plane.files.admin_key)
    credentials = Credentials(plane.server_url, tls, lambda: token, "default")
    return HttpTransport(credentials, user_agent="contract")
