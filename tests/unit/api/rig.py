"""The API program on virtual time: the real backend and routes over the in-memory API server, and an operator whose
every step the test decides, but for taking finalizers off."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.virtual_time import run_virtual

from greenroom_api.app import create_app
from greenroom_api.cluster import ClusterBackend
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import Conflict, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.kube.patches import versioned_metadata, versioned_status
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from greenroom_api.auth import Doorkeeper
    from greenroom_core.kube.transport import Request
    from greenroom_core.model.session import AgentSession

NAMESPACE = "default"
STEP_SECONDS = 0.01


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs an async test on virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    return run


class Operator:
    """Does to sessions what operator and pod do, when the test says so."""

    def __init__(self, server: FakeApiServer) -> None:
        self.client = KubeClient(World(server.clock, Random(7), server.transport("operator")))
        self.tidying = True
        self._clock = server.clock
        self._feed = Feed(self.client, SESSIONS, Selection(NAMESPACE), self._changed)
        self._going: asyncio.Queue[AgentSession] = asyncio.Queue()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run())
            group.create_task(self._tidy())

    async def seen(self, fits: Callable[[AgentSession], bool]) -> AgentSession:
        """The first session that fits, as soon as there is one."""
        async with self._clock.timeout(600):
            while True:
                for session in self._feed.store:
                    if fits(session):
                        return session
                await self._clock.sleep(STEP_SECONDS)

    async def session_of(self, call_id: str) -> AgentSession:
        return await self.seen(lambda session: session.spec.call_id == call_id)

    async def bind(self, session: AgentSession, pod: str = "pod-1") -> AgentSession:
        fields = {"phase": Phase.SCHEDULED, "podName": pod, "podUID": f"uid-{pod}", "attempt": 1}
        return await self._status(session, fields)

    async def give_back(self, session: AgentSession) -> AgentSession:
        waiting = {
            "type": "Scheduled",
            "status": "False",
            "reason": "Returned",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        fields = {"phase": Phase.PENDING, "podName": None, "podUID": None, "conditions": [waiting]}
        return await self._status(session, fields)

    async def wait_notice(self, session: AgentSession, reason: str = "NoFreeSlot") -> AgentSession:
        waiting = {
            "type": "Scheduled",
            "status": "False",
            "reason": reason,
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        return await self._status(session, {"conditions": [waiting]})

    async def start(self, session: AgentSession) -> AgentSession:
        return await self._status(session, {"phase": Phase.RUNNING, "startedAt": self._clock.wall()})

    async def end(self, session: AgentSession, reason: str, message: str = "") -> AgentSession:
        closed = reason in ("Finished", "CloseRequested", "Deleted", "Idle", "MaxDuration", "Drained")
        fields = {
            "phase": Phase.CLOSED if closed else Phase.FAILED,
            "reason": reason,
            "message": message,
            "endedAt": self._clock.wall(),
        }
        return await self._status(session, fields)

    async def figures(self, session: AgentSession, **metrics: float) -> AgentSession:
        return await self._status(session, {"metrics": metrics, "metricsGeneratedAt": self._clock.wall()})

    async def answer(self, session: AgentSession, text: str | None) -> AgentSession:
        return await self._status(session, {"answer": text})

    async def run_at_once(self, session: AgentSession) -> AgentSession:
        return await self.start(await self.bind(session))

    async def _status(self, session: AgentSession, fields: dict[str, Any]) -> AgentSession:
        """Read before written: whoever else writes meanwhile is not what the test is about."""
        newest = await self.client.get(SESSIONS, NAMESPACE, session.metadata.name)
        patch = versioned_status(newest.metadata.resource_version, fields)
        return await self.client.merge_patch(SESSIONS, NAMESPACE, newest.metadata.name, patch, subresource="status")

    def _changed(self, change: Change[AgentSession]) -> None:
        session = change.new
        if session is not None and session.deleting and not session.bound and session.metadata.finalizers:
            self._going.put_nowait(session)

    async def _tidy(self) -> None:
        """Takes the finalizer off what is deleted and has no agent, a moment later."""
        while True:
            session = await self._going.get()
            while not self.tidying:
                await self._clock.sleep(STEP_SECONDS)
            await self._clock.sleep(STEP_SECONDS)
            patch = versioned_metadata(session.metadata.resource_version, {"finalizers": []})
            try:
                await self.client.merge_patch(SESSIONS, NAMESPACE, session.metadata.name, patch)
            except (Conflict, NotFound):
                continue


class Rig:
    """One API process over one server; `faults` are on the API's own way to it."""

    def __init__(self, server: FakeApiServer, keeper: Doorkeeper | None = None) -> None:
        self.server = server
        self.clock = server.clock
        self.faults = Script(server.clock)
        transport = server.transport("api")
        transport.faults = self.faults
        self.transport = transport
        self.backend = ClusterBackend(World(server.clock, Random(1), transport), NAMESPACE)
        guarded: dict[str, Any] = {}
        if keeper is not None:
            guarded = {"permissions": keeper.permissions(), "close_tokens": keeper.close_tokens}
        self.app = create_app(self.backend, clock=server.clock, **guarded)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://api")
        self.operator = Operator(server)

    def post(self, call_id: str, body: dict[str, Any] | None = None, key: str | None = None) -> asyncio.Task[Any]:
        headers = {"Idempotency-Key": key} if key is not None else {}
        request = self.http.post(f"/calls/{call_id}/sessions", json=body, headers=headers, timeout=None)
        return asyncio.get_running_loop().create_task(request)

    async def started(self, call_id: str, body: dict[str, Any] | None = None, key: str | None = None) -> str:
        """A session that runs; its id."""
        posting = self.post(call_id, body, key)
        await self.operator.run_at_once(await self.operator.session_of(call_id))
        answer = await posting
        assert answer.status_code == 201, answer.text
        name: str = answer.json()["session_id"]
        return name

    def objects(self) -> list[dict[str, Any]]:
        return self.server.objects("agentsessions")

    async def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        async with self.clock.timeout(seconds):
            while not holds():
                await self.clock.sleep(STEP_SECONDS)

    def sent(self, method: str) -> int:
        """Requests of the API about sessions, by method; reads and watches apart."""
        return sum(r.method == method and "/agentsessions" in r.path for r in self.faults.seen)


def creates(request: Request) -> bool:
    return request.method == "POST"


def deletes(request: Request) -> bool:
    return request.method == "DELETE"


def patches(request: Request) -> bool:
    return request.method == "PATCH"


def runtime(name: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentRuntime",
        "metadata": {"name": name},
        "spec": {"template": {}, "replicas": 1, **spec},
    }


@asynccontextmanager
async def rig(keeper: Doorkeeper | None = None, **spec: Any) -> AsyncIterator[Rig]:
    """A ready API over a server that has the runtime `default` with that spec."""
    server = FakeApiServer()
    made = Rig(server, keeper)
    await made.operator.client.create(RUNTIMES, NAMESPACE, runtime(**spec))
    operating = asyncio.get_running_loop().create_task(made.operator.run())
    try:
        async with made.backend, made.http:
            await made.until(lambda: made.backend.ready)
            yield made
    finally:
        operating.cancel()
        await asyncio.gather(operating, return_exceptions=True)
