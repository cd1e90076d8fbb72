"""The loop that keeps each AgentRuntime's pods as its spec says, for one term of leadership."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from greenroom_operator.loops.alarm import Alarm
from greenroom_operator.loops.fleet_pods import FleetPods
from greenroom_operator.loops.fleet_statuses import FleetStatuses
from greenroom_operator.loops.fleet_templates import FleetTemplates
from greenroom_operator.planning.figures import figures
from greenroom_operator.planning.fleet import KEPT_FINISHED_PODS, finished_to_delete, plan_fleet
from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
from greenroom_operator.planning.trial import Trial
from greenroom_operator.planning.values import pod_runtime_key
from greenroom_operator.state.fleet_memory import FleetMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Change, Feed
    from greenroom_core.model.pod import Pod
    from greenroom_operator.cluster.events import Events
    from greenroom_operator.cluster.holds import Holds
    from greenroom_operator.cluster.nodes import CordonedNodes
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.loops.busy_labels import BusyLabels
    from greenroom_operator.planning.drain import Hold
    from greenroom_operator.planning.figures import FleetFigures
    from greenroom_operator.planning.fleet import FleetPlan
    from greenroom_operator.planning.values import Fleet, RuntimeKey
    from greenroom_operator.state.term import Term

_LOOK_AT_ALL_SECONDS = 30.0
_SESSIONS_SHOWN_SECONDS = 1.0
_REST_AFTER_WORK = 4.0


class Fleets:
    def __init__(
        self,
        *,
        client: KubeClient,
        writer: Writer,
        term: Term,
        known: Mapping[RuntimeKey, Fleet],
        pods: Feed[Pod],
        nodes: CordonedNodes,
        labels: BusyLabels,
        holds: Holds,
        events: Events,
    ) -> None:
        self._clock = client.world.clock
        self._term = term
        self._known = known
        self._pods = pods
        self._nodes = nodes
        self._holds = holds
        self._fleet_pods = FleetPods(client, writer, pods, labels, self.look_at)
        self._templates = FleetTemplates(client, self.look_at)
        self._statuses = FleetStatuses(client, events)
        self._memories: dict[RuntimeKey, FleetMemory] = {}
        self._due: dict[RuntimeKey, None] = {}
        self._all_at = float("-inf")
        self._alarm = Alarm(self._clock)

    async def run(self) -> None:
        """Looks at fleets as they change, and at all of them every half minute."""
        async with asyncio.TaskGroup() as group:
            while True:
                if not await self._alarm.heard(self._all_at - self._clock.boot()):
                    self._look_at_all()
                begun = self._clock.boot()
                due, self._due = self._due, {}
                for key in due:
                    self._keep(key, group)
                await self._rest(self._clock.boot() - begun)

    async def _rest(self, worked_seconds: float) -> None:
        """A look goes through all pods of a fleet, and each pod's change asks for one: binding has the larger share."""
        if worked_seconds > 0:
            await self._clock.sleep(_REST_AFTER_WORK * worked_seconds)

    def look_at(self, key: RuntimeKey) -> None:
        self._due[key] = None
        self._alarm.ring()

    def on_pod(self, change: Change[Pod]) -> None:
        pod = change.new or change.old
        if pod is not None and pod.runtime:
            self.look_at(pod_runtime_key(pod))

    def on_session(self) -> None:
        """Sessions change what a fleet's status shows, and how many pods it wants: a look a second is enough."""
        soon = self._clock.boot() + _SESSIONS_SHOWN_SECONDS
        if soon < self._all_at:
            self._all_at = soon
            self._alarm.ring()

    def figures(self) -> dict[RuntimeKey, FleetFigures]:
        """Of each AgentRuntime that there is, as they are now."""
        pods: defaultdict[RuntimeKey, list[Pod]] = defaultdict(list)
        for pod in self._pods.store:
            pods[pod_runtime_key(pod)].append(pod)
        return {
            key: figures(fleet, self._snapshot(key, self._memory(key), pods[key]), self._term.queues.of(key))
            for key, fleet in self._known.items()
        }

    def _look_at_all(self) -> None:
        of_pods = (pod_runtime_key(pod) for pod in self._pods.store if pod.runtime)
        self._due |= dict.fromkeys((*of_pods, *self._known))
        self._all_at = self._clock.boot() + _LOOK_AT_ALL_SECONDS

    def _keep(self, key: RuntimeKey, group: asyncio.TaskGroup) -> None:
        memory = self._memory(key)
        pods = [pod for pod in self._pods.store if pod_runtime_key(pod) == key]
        memory.judge(pods, self._clock.boot())
        snapshot = self._snapshot(key, memory, pods)
        plan = plan_fleet(snapshot)
        if snapshot.fleet is not None:
            self._make(snapshot.fleet, plan, memory, group)
        self._delete(snapshot, plan, group)
        self._look_by(plan.wake_at)
        if snapshot.fleet is not None:
            self._show(snapshot.fleet, snapshot, plan, memory, group)
        elif not pods:
            del self._memories[key]
        memory.size, self._term.sizes[key] = plan.size, plan.size.pods

    def _memory(self, key: RuntimeKey) -> FleetMemory:
        """What is known of another AgentRuntime that had the name holds for its successor in nothing."""
        fleet, memory = self._known.get(key), self._memories.get(key)
        uid = fleet.runtime.metadata.uid if fleet is not None else ""
        if memory is None or (uid and memory.uid != uid):
            memory = self._memories[key] = FleetMemory(uid)
        return memory

    def _make(self, fleet: Fleet, plan: FleetPlan, memory: FleetMemory, group: asyncio.TaskGroup) -> None:
        if plan.try_template:
            self._templates.dry_run(fleet, memory, group)
        if plan.hold is not None and not memory.holding:
            memory.holding = True
            group.create_task(self._hold(fleet, plan.hold, memory))
        self._fleet_pods.make(fleet, plan.create, memory, group)

    def _delete(self, snapshot: FleetSnapshot, plan: FleetPlan, group: asyncio.TaskGroup) -> None:
        leaving = snapshot.fleet is None or snapshot.fleet.deleting
        finished = finished_to_delete(snapshot.pods, kept=0 if leaving else KEPT_FINISHED_PODS)
        self._fleet_pods.delete((*plan.delete, *finished), group)
        self._fleet_pods.unlabel(plan.unlabel, group)

    def _show(
        self, fleet: Fleet, snapshot: FleetSnapshot, plan: FleetPlan, memory: FleetMemory, group: asyncio.TaskGroup
    ) -> None:
        if not fleet.deleting:
            self._statuses.tell_size(fleet, memory.size, plan.size, snapshot.waiting)
        pending = len(self._term.queues.of(fleet.key))
        self._look_by(self._statuses.show(fleet, snapshot, plan.size, pending, memory, group))

    def _look_by(self, at: float | None) -> None:
        if at is not None:
            self._all_at = min(self._all_at, at)

    def _snapshot(self, key: RuntimeKey, memory: FleetMemory, pods: list[Pod]) -> FleetSnapshot:
        fleet, now = self._known.get(key), self._clock.boot()
        sessions = {pod.metadata.uid: self._term.ledger.on_pod(pod.metadata.uid) for pod in pods}
        memory.note_empty(sessions, self._term.labelling, now)
        return FleetSnapshot(
            now=now,
            wall=self._clock.wall(),
            fleet=fleet,
            pods=pods,
            sessions=sessions,
            empty_since=memory.empty_since,
            being_made=memory.being_made,
            attempts=memory.attempts,
            template_error=memory.template_errors.get(fleet.revision) if fleet is not None else "",
            waiting=self._term.short.get(key, 0),
            size=memory.size,
            trial=self._term.trials.of(key, fleet.revision) if fleet is not None else Trial(),
            cordoned_nodes=self._nodes.names,
        )

    async def _hold(self, fleet: Fleet, hold: Hold, memory: FleetMemory) -> None:
        try:
            await self._holds.write(fleet.runtime, hold)
        finally:
            memory.holding = False
            self.look_at(fleet.key)
