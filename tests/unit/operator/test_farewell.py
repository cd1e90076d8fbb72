"""The last that a leader does, against the API server in memory: where a namespace is being deleted, and only there."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS, loose
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_operator.cluster.farewell import farewell

if TYPE_CHECKING:
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

NAMESPACES = loose("/api/v1", "namespaces")
THEIRS = "example.com/theirs"
TEMPLATE = {"spec": {"containers": [{"name": "agent", "image": "agent"}]}}


class Bench:
    """Two namespaces; `going` is being deleted, and each has a session and an AgentRuntime that we hold."""

    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.client = KubeClient(World(self.server.clock, Random(1), self.server.transport("operator")))
        self.sessions: list[AgentSession] = []
        self.runtimes: list[AgentRuntime] = []

    async def set_up(self) -> None:
        for namespace in ("going", "staying"):
            await self.client.create(NAMESPACES, None, {"metadata": {"name": namespace}})
            meta = {"name": "one", "finalizers": [names.LEAVE_CALL, THEIRS]}
            session = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": meta}
            self.sessions.append(await self.client.create(SESSIONS, namespace, session | {"spec": {"callId": "c"}}))
            meta = {"name": "default", "finalizers": [THEIRS, names.DRAIN]}
            runtime = {"apiVersion": names.API_VERSION, "kind": "AgentRuntime", "metadata": meta}
            spec = {"template": TEMPLATE, "replicas": 1}
            self.runtimes.append(await self.client.create(RUNTIMES, namespace, runtime | {"spec": spec}))
        await self.client.delete(NAMESPACES, None, "going")

    async def farewell(self) -> None:
        await farewell(self.client, self.sessions, self.runtimes)

    async def finalizers(self, namespace: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        session = await self.client.get(SESSIONS, namespace, "one")
        runtime = await self.client.get(RUNTIMES, namespace, "default")
        return session.metadata.finalizers, runtime.metadata.finalizers


def test_ours_come_off_where_the_namespace_is_being_deleted() -> None:
    async def story() -> None:
        bench = Bench()
        await bench.set_up()
        await bench.farewell()
        assert await bench.finalizers("going") == ((THEIRS,), (THEIRS,))
        assert await bench.finalizers("staying") == ((names.LEAVE_CALL, THEIRS), (THEIRS, names.DRAIN))

    run_virtual(story())


def test_a_change_by_others_in_between_is_kept() -> None:
    async def story() -> None:
        bench = Bench()
        await bench.set_up()
        label = {"metadata": {"labels": {"changed": "since"}}}
        await bench.client.merge_patch(SESSIONS, "going", "one", label)
        await bench.farewell()
        after = await bench.client.get(SESSIONS, "going", "one")
        assert (after.metadata.finalizers, after.metadata.labels) == ((THEIRS,), {"changed": "since"})

    run_virtual(story())
