"""The loop that keeps each AgentRuntime's pods as its spec says, for one term of leadership."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.errors import AlreadyExists, Denied, KubeError, NotFound, Refused, Unanswered
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.model.meta import ConditionStatus, find, plain
from greenroom_core.model.runtime import PROGRESSING
from greenroom_operator.cluster.events import Kind
from greenroom_operator.planning.drain import DELETING
from greenroom_operator.planning.fleet import (
    KEPT_FINISHED_PODS,
    Attempts,
    FleetSnapshot,
    finished_to_delete,
    fleet_status,
    plan_fleet,
)
from greenroom_operator.planning.pods import pod_body, pod_name
from greenroom_operator.planning.trial import Trial
from greenroom_operator.planning.trouble import exit_reason
from greenroom_operator.planning.values import Fleet, RuntimeKey, pod_runtime_key

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Change, Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import RuntimeStatus
    from greenroom_operator.cluster.events import Events
    from greenroom_operator.cluster.holds import Holds
    from greenroom_operator.cluster.nodes import CordonedNodes
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.loops.scheduler import Scheduler
    from greenroom_operator.planning.drain import Hold
    from greenroom_operator.planning.size import Size

logger = logging.getLogger("greenroom.operator.fleets")

_STATUS_EVERY_SECONDS = 5.0
_LOOK_AT_ALL_SECONDS = 30.0
_SESSIONS_SHOWN_SECONDS = 1.0
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True)
class _Memory:
    """What is remembered of one fleet between looks."""

    attempts: Attempts = field(default_factory=Attempts)
    judged: set[str] = field(default_factory=set)
    being_made: int = 0
    template_errors: dict[str, str] = field(default_factory=dict)
    asking: bool = False
    holding: bool = False
    status_at: float = float("-inf")
    status: RuntimeStatus | None = None
    size: Size | None = None


class Fleets:
    def __init__(
        self,
        *,
        client: KubeClient,
        writer: Writer,
        pods: Feed[Pod],
        nodes: CordonedNodes,
        fleets: Mapping[RuntimeKey, Fleet],
        scheduler: Scheduler,
        events: Events,
        holds: Holds,
    ) -> None:
        self._client = client
        self._world = client.world
        self._writer = writer
        self._pods = pods
        self._nodes = nodes
        self._fleets = fleets
        self._scheduler = scheduler
        self._events = events
        self._holds = holds
        scheduler.on_short = self.on_short
        self._memories: dict[RuntimeKey, _Memory] = {}
        self._empty_since: dict[str, float] = {}
        self._under_way: set[str] = set()
        self._dirty: set[RuntimeKey] = set()
        self._wake_at = float("inf")
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Looks at fleets as they change, and at all of them every half minute."""
        self._look_at_all()
        self._wake.set()
        async with asyncio.TaskGroup() as self._group:
            while True:
                await self._sleep()
                dirty, self._dirty = self._dirty, set()
                for key in dirty:
                    self._look_at(key)

    def on_fleet(self, key: RuntimeKey) -> None:
        self._mark(key)

    def on_pod(self, change: Change[Pod]) -> None:
        pod = change.new or change.old
        if pod is not None:
            self._mark(pod_runtime_key(pod))

    def on_session(self) -> None:
        """Sessions change what a fleet's status shows, and how many pods it wants: a look a second is enough."""
        soon = self._world.clock.boot() + _SESSIONS_SHOWN_SECONDS
        if soon < self._wake_at:
            self._wake_at = soon
            self._wake.set()

    def on_short(self, key: RuntimeKey) -> None:
        """The number of this fleet's sessions that wait for a slot has changed: it may have to grow."""
        self._mark(key)

    def _mark(self, key: RuntimeKey) -> None:
        self._dirty.add(key)
        self._wake.set()

    def _look_at_all(self) -> None:
        keys = {pod_runtime_key(pod) for pod in self._pods.store} | set(self._fleets)
        self._dirty |= keys
        self._wake_at = self._world.clock.boot() + _LOOK_AT_ALL_SECONDS

    async def _sleep(self) -> None:
        pause = max(self._wake_at - self._world.clock.boot(), 0.0)
        try:
            async with self._world.clock.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            self._look_at_all()
        self._wake.clear()

    def _look_at(self, key: RuntimeKey) -> None:
        memory = self._memories.setdefault(key, _Memory())
        pods = [pod for pod in self._pods.store if pod_runtime_key(pod) == key]
        self._judge(memory, pods)
        snapshot = self._snapshot(key, memory, pods)
        plan = plan_fleet(snapshot)
        leaving = snapshot.fleet is None or snapshot.fleet.deleting
        if snapshot.fleet is not None and not leaving:
            self._tell_size(snapshot.fleet, memory.size, plan.size, snapshot.waiting)
        memory.size = plan.size
        if plan.try_template and snapshot.fleet is not None and not memory.asking:
            memory.asking = True
            self._start(self._try_template(key, memory, snapshot.fleet))
        if plan.hold is not None and snapshot.fleet is not None and not memory.holding:
            memory.holding = True
            self._start(self._hold(key, memory, snapshot.fleet, plan.hold))
        for _ in range(plan.create):
            if snapshot.fleet is not None:
                memory.being_made += 1
                self._start(self._create(key, memory, snapshot.fleet))
        for pod in (*plan.delete, *finished_to_delete(pods, kept=0 if leaving else KEPT_FINISHED_PODS)):
            self._once(pod, self._delete(pod))
        for pod in plan.unlabel:
            self._once(pod, self._unlabel(pod))
        if plan.wake_at is not None:
            self._wake_at = min(self._wake_at, plan.wake_at)
        if snapshot.fleet is not None:
            self._show(key, memory, snapshot, snapshot.fleet, plan.size)
        elif not pods:
            del self._memories[key]

    def _tell_size(self, fleet: Fleet, before: Size | None, after: Size, waiting: int) -> None:
        if before is not None and before.pods != after.pods:
            told = f"{before.pods} pods become {after.pods}; {waiting} sessions wait for a slot"
            self._events.of_runtime(fleet.runtime, Kind.NORMAL, "Scaled", told)

    def _snapshot(self, key: RuntimeKey, memory: _Memory, pods: list[Pod]) -> FleetSnapshot:
        fleet = self._fleets.get(key)
        now = self._world.clock.boot()
        sessions = {pod.metadata.uid: self._scheduler.ledger.on_pod(pod.metadata.uid) for pod in pods}
        for pod in pods:
            uid = pod.metadata.uid
            if sessions[uid] or uid in self._scheduler.pods_in_label:
                self._empty_since.pop(uid, None)
            else:
                self._empty_since.setdefault(uid, now)
        return FleetSnapshot(
            now=now,
            wall=self._world.clock.wall(),
            fleet=fleet,
            pods=pods,
            sessions=sessions,
            empty_since=self._empty_since,
            being_made=memory.being_made,
            attempts=memory.attempts,
            template_error=memory.template_errors.get(fleet.revision) if fleet is not None else "",
            waiting=self._scheduler.short_of_slots(key),
            size=memory.size,
            trial=self._scheduler.trials.of(key, fleet.revision) if fleet is not None else Trial(),
            cordoned_nodes=self._nodes.names,
        )

    def _judge(self, memory: _Memory, pods: list[Pod]) -> None:
        """Counts each pod once: ready, or finished before it was."""
        for pod in pods:
            uid = pod.metadata.uid
            if uid in memory.judged:
                continue
            if pod.ready:
                memory.judged.add(uid)
                memory.attempts = Attempts()
            elif pod.finished:
                memory.judged.add(uid)
                why = exit_reason(pod)
                memory.attempts = Attempts(memory.attempts.failures + 1, self._world.clock.boot(), why)
                logger.warning("pod %s ended before it was ready: %s", pod.metadata.key, why)
        memory.judged &= {pod.metadata.uid for pod in pods}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            raise RuntimeError("a look outside run()")
        self._group.create_task(work)

    def _once(self, pod: Pod, work: Coroutine[Any, Any, None]) -> None:
        if pod.metadata.uid in self._under_way:
            work.close()
            return
        self._under_way.add(pod.metadata.uid)
        self._start(work)

    async def _try_template(self, key: RuntimeKey, memory: _Memory, fleet: Fleet) -> None:
        """Has the API server judge the pod before any is made, so that its words reach the AgentRuntime."""
        try:
            body = pod_body(fleet, pod_name(fleet, "trial"))
            await self._client.dry_run_create(PODS, key.namespace, body)
            error = ""
        except ValueError as problem:
            error = str(problem)
        except (Unanswered, Denied) as problem:
            logger.warning("template of %s/%s not tried yet: %s", *key, problem)
            await self._world.clock.sleep(1.0)
            memory.asking = False
            self._mark(key)
            return
        except Refused as problem:
            error = problem.message
        if error:
            logger.error("template of %s/%s refused: %s", *key, error)
        memory.template_errors = {fleet.revision: error}
        memory.asking = False
        self._mark(key)

    async def _hold(self, key: RuntimeKey, memory: _Memory, fleet: Fleet, hold: Hold) -> None:
        try:
            await self._holds.write(fleet.runtime, hold)
        finally:
            memory.holding = False
            self._mark(key)

    async def _create(self, key: RuntimeKey, memory: _Memory, fleet: Fleet) -> None:
        name = pod_name(fleet, "".join(self._world.random.choices(_SUFFIX_ALPHABET, k=5)))
        body = pod_body(fleet, name)
        try:
            while True:
                try:
                    self._pods.learn(await self._created(key, name, body))
                    logger.info("pod %s/%s created for revision %s", key.namespace, name, fleet.revision)
                    return
                except Unanswered as error:
                    logger.warning("pod %s/%s: no answer, repeating: %s", key.namespace, name, error)
                    await self._world.clock.sleep(0.5)
        except Refused as error:
            memory.attempts = Attempts(memory.attempts.failures + 1, self._world.clock.boot(), str(error))
            logger.error("pod %s/%s not created: %s", key.namespace, name, error)
        finally:
            memory.being_made -= 1
            self._mark(key)

    async def _created(self, key: RuntimeKey, name: str, body: dict[str, Any]) -> Pod:
        try:
            return await self._client.create(PODS, key.namespace, body)
        except AlreadyExists:  # our own create whose answer was lost
            return await self._client.get(PODS, key.namespace, name)

    async def _delete(self, pod: Pod) -> None:
        """Only at the version seen empty: a label or a session that came meanwhile makes it a 409."""
        meta = pod.metadata
        try:
            await self._client.delete(
                PODS, meta.namespace, meta.name, uid=meta.uid, resource_version=meta.resource_version
            )
            logger.info("pod %s deleted: %s", meta.key, exit_reason(pod) if pod.finished else "not needed")
            after = await self._writer.read_pod(meta.namespace, meta.name)
            if after is None or after.metadata.uid != meta.uid:
                self._pods.forget(pod)
            else:
                self._pods.learn(after)
        except NotFound:
            self._pods.forget(pod)
        except (Refused, Unanswered) as error:
            logger.debug("pod %s not deleted: %s", meta.key, error)
        finally:
            self._under_way.discard(meta.uid)
            self._mark(pod_runtime_key(pod))

    async def _unlabel(self, pod: Pod) -> None:
        try:
            after = await self._writer.label_busy(pod, busy=False)
            if after is not None:
                self._pods.learn(after)
        finally:
            self._under_way.discard(pod.metadata.uid)
            self._mark(pod_runtime_key(pod))

    def _show(self, key: RuntimeKey, memory: _Memory, snapshot: FleetSnapshot, fleet: Fleet, size: Size) -> None:
        """Writes the status when it changed, at most once in five seconds."""
        shown = memory.status or fleet.runtime.status
        pending = self._scheduler.waiting_in(key)
        status = fleet_status(snapshot, fleet, size, shown, pending, self._world.clock.wall())
        if status == shown:
            return
        next_at = memory.status_at + _STATUS_EVERY_SECONDS
        news = fleet.deleting and not _shows_deleting(shown)
        if snapshot.now < next_at and not news:
            self._wake_at = min(self._wake_at, next_at)
            return
        memory.status_at, memory.status = snapshot.now, status
        self._tell(fleet, shown, status)
        self._start(self._write_status(key, memory, status))

    def _tell(self, fleet: Fleet, before: RuntimeStatus, after: RuntimeStatus) -> None:
        """An event where a condition has got another reason."""
        known = {condition.type: condition.reason for condition in before.conditions}
        for condition in after.conditions:
            if known.get(condition.type) != condition.reason:
                good = condition.status is ConditionStatus.TRUE
                kind = Kind.NORMAL if good else Kind.WARNING
                self._events.of_runtime(fleet.runtime, kind, condition.reason, condition.message)

    async def _write_status(self, key: RuntimeKey, memory: _Memory, status: RuntimeStatus) -> None:
        try:
            await self._client.merge_patch(
                RUNTIMES, key.namespace, key.name, {"status": plain(status)}, subresource="status"
            )
        except KubeError as error:
            memory.status = None
            logger.info("status of AgentRuntime %s/%s not written: %s", *key, error)


def _shows_deleting(status: RuntimeStatus) -> bool:
    found = find(status.conditions, PROGRESSING)
    return found is not None and found.reason == DELETING
