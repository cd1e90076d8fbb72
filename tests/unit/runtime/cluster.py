"""A runtime pod in an in-memory cluster on virtual time, with the test in the place of operator and clients."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver import FakeApiServer, Script
from tests.unit.runtime.agents import AgentFile

from greenroom.launcher import AgentLauncher
from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.settings import RuntimeSettings
from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from greenroom_core.model.session import AgentSession

NAMESPACE = "default"
POD = "pod-1"
POD_UID = "uid-of-pod-1"


class Cluster:
    """`pod` runs while the context of :func:`cluster` lasts. `history` has every status that a session has had."""

    def __init__(self, slots: int, drain_timeout_seconds: float, **launcher: Any) -> None:
        self.server = FakeApiServer()
        self.clock = self.server.clock
        self.file = AgentFile(self.clock)
        self.transport = self.server.transport("pod")
        self.script = Script(self.clock)
        self.transport.faults = self.script
        self.launcher = AgentLauncher(self.file.create_agent, self.file.join_call, clock=self.clock, **launcher)
        settings = RuntimeSettings(
            namespace=NAMESPACE,
            pod_name=POD,
            pod_uid=POD_UID,
            slots=slots,
            drain_timeout_seconds=drain_timeout_seconds,
        )
        self.pod = RuntimePod(World(self.clock, Random(1), self.transport), self.launcher, settings)
        self.client = KubeClient(World(self.clock, Random(2), self.server.transport("test")))
        self.running: asyncio.Task[None] | None = None

    # --- as the operator and clients ---

    async def create(self, name: str = "s1", finalizer: bool = False, **spec: Any) -> AgentSession:
        body = {
            "apiVersion": "greenroom.dev/v1alpha1",
            "kind": "AgentSession",
            "metadata": {"name": name, "finalizers": ["greenroom.dev/leave-call"] if finalizer else []},
            "spec": {"callId": f"call-of-{name}", **spec},
        }
        return await self.client.create(SESSIONS, NAMESPACE, body)

    async def bind(
        self, name: str = "s1", *, attempt: int = 1, limits: Mapping[str, float] | None = None, **effective: Any
    ) -> None:
        """As the operator writes it."""
        await self.patch(
            name,
            phase="Scheduled",
            podName=POD,
            podUID=POD_UID,
            attempt=attempt,
            effective={"limits": dict(limits or {}), **effective},
            conditions=[
                {
                    "type": "Scheduled",
                    "status": "True",
                    "reason": "Bound",
                    "message": "",
                    "lastTransitionTime": "2030-01-01T00:00:00Z",
                }
            ],
        )

    async def start(self, name: str = "s1", **spec: Any) -> None:
        """Created, bound, and Running."""
        await self.create(name, **spec)
        await self.bind(name)
        await self.until(name, lambda session: session.status.phase == "Running")

    async def patch(self, name: str, **status: Any) -> None:
        await self.client.merge_patch(SESSIONS, NAMESPACE, name, {"status": status}, subresource="status")

    async def annotate(self, name: str, **values: str) -> None:
        patch = annotation_patch({f"greenroom.dev/{key.replace('_', '-')}": value for key, value in values.items()})
        await self.client.merge_patch(SESSIONS, NAMESPACE, name, patch)

    async def delete(self, name: str = "s1") -> None:
        await self.client.delete(SESSIONS, NAMESPACE, name)

    async def get(self, name: str = "s1") -> AgentSession:
        return await self.client.get(SESSIONS, NAMESPACE, name)

    async def until(self, name: str, holds: Callable[[AgentSession], bool], seconds: float = 200.0) -> AgentSession:
        """The session, as soon as `holds` does."""
        async with asyncio.timeout(seconds):
            while not holds(session := await self.get(name)):
                await asyncio.sleep(0.01)
        return session

    async def ended(self, name: str = "s1", seconds: float = 200.0) -> AgentSession:
        return await self.until(name, lambda session: session.ended, seconds)

    async def joined(self, name: str = "s1") -> AgentSession:
        return await self.until(name, lambda session: session.status.joined_at is not None)

    async def when(self, holds: Callable[[], bool], seconds: float = 200.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)

    # --- what the pod did ---

    @property
    def writes(self) -> int:
        """Status writes of the pod that the server carried out."""
        return self.server.answered["pod", "PATCH", "agentsessions/status", 200]

    @property
    def refused(self) -> int:
        return self.server.answered["pod", "PATCH", "agentsessions/status", 422]

    @property
    def agent(self) -> Any:
        return self.file.agents[-1]


@asynccontextmanager
async def cluster(
    slots: int = 2, drain_timeout_seconds: float = 100.0, *, ready: bool = True, **launcher: Any
) -> AsyncIterator[Cluster]:
    """A cluster whose pod is ready; at the end the pod is drained, and must have ended by itself."""
    here = Cluster(slots, drain_timeout_seconds, **launcher)
    here.running = asyncio.create_task(here.pod.run(), name="pod")
    try:
        if ready:
            await here.when(lambda: here.pod.ready)
            here.file.created.clear()
            here.file.agents.clear()
        yield here
        here.pod.drain()
        await here.running
    finally:
        here.running.cancel()
        await asyncio.wait([here.running])
        await here.transport.aclose()
