"""The operator without its shell: feeds, leadership, and the loops of each term.

It takes a World, so that a test can run it on virtual time; kopf and the process around it live elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import KubeError, Withheld
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_operator.cluster.farewell import farewell
from greenroom_operator.cluster.fence import fence
from greenroom_operator.cluster.lease import Leadership
from greenroom_operator.cluster.nodes import CordonedNodes
from greenroom_operator.leader import Leader
from greenroom_operator.metrics import OperatorMetrics
from greenroom_operator.planning.revision import revision
from greenroom_operator.planning.values import Fleet, RuntimeKey, pod_runtime_key

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession
    from greenroom_core.world import World
    from greenroom_operator.settings import Settings

logger = logging.getLogger("greenroom.operator")

_AGAIN_SECONDS = 0.5


class TermOver(Exception):
    """The Lease is gone: everything that only a leader does stops."""


class Operator:
    """One replica. `observe_runtime` and `runtime_gone` are how the shell tells it of AgentRuntimes."""

    def __init__(self, world: World, settings: Settings, *, lease_namespace: str, identity: str) -> None:
        self.metrics = OperatorMetrics()
        self.fleets: dict[RuntimeKey, Fleet] = {}
        self._world = world
        self._selection = Selection(namespace=settings.namespace or None)
        limit = settings.requests_limit
        answered = self.metrics.answered
        reader = KubeClient(world, requests_limit=limit, on_answer=answered)
        self.leadership = Leadership(
            KubeClient(world, requests_limit=4, deadline_seconds=settings.lease_seconds / 3, on_answer=answered),
            lease_namespace,
            settings.lease_name,
            identity,
            settings.lease_seconds,
        )
        self._client = KubeClient(world, requests_limit=limit, permit=self.leadership.valid, on_answer=answered)
        self._sessions: Feed[AgentSession] = Feed(reader, SESSIONS, self._selection, self._on_session)
        pods = Selection(namespace=self._selection.namespace, labels=names.RUNTIME_LABEL)
        self._pods: Feed[Pod] = Feed(reader, PODS, pods, self._on_pod)
        self._nodes = CordonedNodes(reader, self._on_node, watched=settings.watch_nodes)
        self._ending = False
        self._leader: Leader | None = None

    @property
    def ready(self) -> bool:
        """Warm: sessions and pods have been listed. A standby is ready too; nodes are no condition."""
        return self._sessions.synced.is_set() and self._pods.synced.is_set()

    @property
    def leading(self) -> bool:
        return self._leader is not None

    async def run(self) -> None:
        """Until cancelled; then the Lease is given up."""
        # Before the feeds: what is listed once this replica leads need not be listed again.
        leads = await self.leadership.attempt()
        async with asyncio.TaskGroup() as group:
            leading = group.create_task(self._lead(leads))
            group.create_task(self._sessions.run())
            group.create_task(self._pods.run())
            group.create_task(self._nodes.run())
            try:
                await asyncio.wait((leading,))
            finally:
                # A group lets errors go first: a cancellation that comes with the end of a term is lost in there.
                self._ending = True

    async def _lead(self, leads: bool) -> None:
        try:
            while not self._ending:
                if not leads:
                    await self.leadership.acquire()
                await self._term()
                leads = False
        finally:
            if self.leadership.valid():
                runtimes = [fleet.runtime for fleet in self.fleets.values()]
                await farewell(self._client, self._sessions.store, runtimes)
            await self.leadership.release()

    def observe_runtime(self, runtime: AgentRuntime) -> None:
        """An AgentRuntime as the API server has it; one that is older than what is known is passed over."""
        key = RuntimeKey(runtime.metadata.namespace, runtime.metadata.name)
        known = self.fleets.get(key)
        if known is not None and known.runtime.metadata.version >= runtime.metadata.version:
            return
        self.fleets[key] = Fleet(runtime, revision(runtime))
        self._fleet_changed(key)

    def runtime_gone(self, namespace: str, name: str, uid: str) -> None:
        key = RuntimeKey(namespace, name)
        known = self.fleets.get(key)
        if known is not None and known.runtime.metadata.uid == uid:
            del self.fleets[key]
            self._fleet_changed(key)

    def measure(self) -> None:
        """Brings the gauges up to date."""
        self.metrics.leading.set(int(self.leading))
        self.metrics.epoch.set(self.leadership.epoch)
        self.metrics.feed_silence.labels("sessions").set(self._sessions.silence_seconds)
        self.metrics.feed_silence.labels("pods").set(self._pods.silence_seconds)
        if self._nodes.watched:
            self.metrics.feed_silence.labels("nodes").set(self._nodes.silence_seconds)
        self._measure_what_is_led()

    def _measure_what_is_led(self) -> None:
        """A standby has nothing to say of it, so that sums over replicas are right."""
        leader = self._leader
        self.metrics.sessions.clear()
        self.metrics.fleets.show(leader.figures() if leader is not None else {})
        self.metrics.waiting.set(leader.term.queues.length if leader is not None else 0)
        if leader is not None:
            phases = Counter(session.status.phase for session in self._sessions.store)
            for phase in Phase:
                self.metrics.sessions.labels(phase.value).set(phases[phase])

    async def _term(self) -> None:
        try:
            async with asyncio.TaskGroup() as term:
                term.create_task(self._until_lost())
                await self._know_sessions(term)
                await self._take_over()
                self.leadership.begin()
                self._leader = self._new_leader()
                term.create_task(self._leader.run())
        except* (TermOver, Withheld):
            logger.warning("the term of epoch %d is over", self.leadership.epoch)
        finally:
            self._leader = None

    async def _until_lost(self) -> None:
        await self.leadership.keep()
        raise TermOver

    async def _know_sessions(self, term: asyncio.TaskGroup) -> None:
        """As they are now: by a list, or by the watch where that comes to it sooner. A list of ten thousand sessions
        takes a second, and is read to its end beside what follows."""
        ways = (term.create_task(self._list_sessions()), term.create_task(self._catch_up()))
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)

    async def _take_over(self) -> None:
        """Knows pods, too, and puts up the fence; only then may it bind. A pod that the list does not show, though a
        session is bound to it, is read by name before anything follows from that.

        Nodes, too, where they can be read.
        """
        while True:
            try:
                await self._pods.relist(unless_since=self.leadership.acquired_at)
                await self._nodes.refresh()
                await self._list_runtimes()
                await fence(self._client, self._sessions, self.leadership.epoch)
                return
            except Withheld:
                raise
            except KubeError as error:
                await self._outlast(error)

    async def _list_sessions(self) -> None:
        while True:
            try:
                return await self._sessions.relist(unless_since=self.leadership.acquired_at)
            except KubeError as error:
                await self._outlast(error)

    async def _catch_up(self) -> None:
        """Where nothing is exposed there is no hurry. What the fence writes comes back by the watch, after all that was
        there before; those that only the watch or the list shows are fenced after it."""
        while True:
            try:
                newest = await self._sessions.newest_version()
                await fence(self._client, self._sessions, self.leadership.epoch)
                return await self._sessions.reach(newest)
            except Withheld:
                raise
            except KubeError as error:
                await self._outlast(error)

    async def _outlast(self, error: KubeError) -> None:
        logger.warning("taking over, trying again: %s", error)
        await self._world.clock.sleep(_AGAIN_SECONDS)

    async def _list_runtimes(self) -> None:
        page = await self._client.list(RUNTIMES, self._selection)
        present = {(runtime.metadata.namespace, runtime.metadata.name) for runtime in page.items}
        for runtime in page.items:
            self.observe_runtime(runtime)
        for key, fleet in list(self.fleets.items()):
            if key not in present:
                self.runtime_gone(*key, fleet.runtime.metadata.uid)

    def _new_leader(self) -> Leader:
        return Leader(
            client=self._client,
            leadership=self.leadership,
            sessions=self._sessions,
            pods=self._pods,
            nodes=self._nodes,
            fleets=self.fleets,
            observe=self.observe_runtime,
            gone=self.runtime_gone,
            metrics=self.metrics,
        )

    def _on_session(self, change: Change[AgentSession]) -> None:
        if self._leader is not None:
            self._leader.on_session(change)

    def _on_pod(self, change: Change[Pod]) -> None:
        if self._leader is not None:
            self._leader.on_pod(change)

    def _on_node(self, name: str) -> None:
        for key in {
            pod_runtime_key(pod): None for pod in self._pods.store if pod.runtime and pod.spec.node_name == name
        }:
            self._fleet_changed(key)

    def _fleet_changed(self, key: RuntimeKey) -> None:
        if self._leader is not None:
            self._leader.on_fleet(key)
