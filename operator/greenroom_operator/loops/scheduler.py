"""The scheduling loop of one term of leadership.

It turns what the feeds report into what is due, lets pure planning decide, assumes the outcome in the ledger, and
starts the writes. A session has at most one write under way; the answer goes into the store before the next look.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import UNDECIDED, WaitReason
from greenroom_core.model.session import SCHEDULED
from greenroom_operator.cluster.events import Kind
from greenroom_operator.cluster.writer import Writer, purpose
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.lifecycle import is_lost
from greenroom_operator.planning.pinned import refusal
from greenroom_operator.planning.values import (
    Action,
    Admit,
    Bind,
    DeleteSession,
    Ending,
    ExamineOnlyPod,
    ExaminePod,
    Fleet,
    MarkBusy,
    RuntimeKey,
    SessionWrite,
    SetFinalizers,
    Snapshot,
    WriteStatus,
    pod_runtime_key,
    runtime_key,
)
from greenroom_operator.state.deadlines import Deadlines
from greenroom_operator.state.ledger import Ledger
from greenroom_operator.state.rests import Rests
from greenroom_operator.state.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.clock import Clock
    from greenroom_core.kube.feed import Change, Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.cluster.events import Events
    from greenroom_operator.cluster.nodes import CordonedNodes
    from greenroom_operator.metrics import OperatorMetrics

logger = logging.getLogger("greenroom.operator.scheduler")

_EXAMINE_AGAIN = timedelta(seconds=5)
_RESYNC_SECONDS = 60.0


class Scheduler:
    """Lives as long as one term; a new term starts with a new one, rebuilt from the relisted feeds."""

    def __init__(
        self,
        *,
        clock: Clock,
        writer: Writer,
        sessions: Feed[AgentSession],
        pods: Feed[Pod],
        nodes: CordonedNodes,
        fleets: Mapping[RuntimeKey, Fleet],
        epoch: int,
        metrics: OperatorMetrics,
        events: Events,
    ) -> None:
        self.ledger = Ledger(sessions.store)
        self.pods_in_label: set[str] = set()
        self.on_short: Callable[[RuntimeKey], None] = lambda _: None
        self._short: dict[RuntimeKey, int] = {}
        self._clock = clock
        self._writer = writer
        self._sessions = sessions
        self._pods = pods
        self._nodes = nodes
        self._fleets = fleets
        self._epoch = epoch
        self._metrics = metrics
        self._events = events
        self._waiting: dict[RuntimeKey, dict[str, AgentSession]] = {}
        self._due: set[str] = set()
        self._touched: set[RuntimeKey] = set()
        self._under_way: set[str] = set()
        self._examining: set[str] = set()
        self._lost: set[str] = set()
        self._unplaceable: dict[str, Ending] = {}
        self._deadlines = Deadlines()
        self._rests = Rests()
        self.trials = Trials()
        self._wake = asyncio.Event()
        self._wake_alarm = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._rebuild()

    async def run(self) -> None:
        """One cycle whenever something is due. Raises (in a group) Withheld when leadership is over."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._alarm())
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._cycle()

    def on_session(self, change: Change[AgentSession]) -> None:
        session = change.new
        if session is None:
            # This feed has no selector and lists by quorum: what it misses has been deleted, and stays so.
            if change.old is not None:
                self._discard(change.old)
            return
        if change.old is not None and change.old.bound and _given_back(session):
            self._rest(change.old)
        if self.trials.observe(runtime_key(session), change.old, session):
            self._touch(runtime_key(session))
        self._observe(session)
        self._look_at(session.metadata.uid)

    def on_pod(self, change: Change[Pod]) -> None:
        pod = change.new or change.old
        if pod is None:
            return
        self._touch(pod_runtime_key(pod))
        gone = change.new is None or change.new.finished or change.new.leaving
        if gone:
            self._look_at_those_who_wait_for(pod)
        if gone and self.ledger.on_pod(pod.metadata.uid):
            self._look_at_sessions_of(pod.metadata.uid)

    def on_fleet(self, key: RuntimeKey) -> None:
        if (fleet := self._fleets.get(key)) is not None:
            self.trials.keep_only(key, fleet.revision)
        if fleet is None or fleet.deleting:
            self._due.update(self._waiting.get(key, ()))  # why they wait is another reason now
        self._touch(key)

    def waiting_in(self, key: RuntimeKey) -> int:
        return len(self._waiting.get(key, ()))

    def short_of_slots(self, key: RuntimeKey) -> int:
        """Sessions that any pod of the fleet might take and none has a slot for."""
        return self._short.get(key, 0)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _rebuild(self) -> None:
        """Bound sessions first, then those that have been shown as waiting: both were admitted before."""
        for session in self._sessions.store:
            self.trials.observe(runtime_key(session), None, session)
            self._observe(session)
            if _was_admitted(session):
                self.ledger.admit(session)
            self._look_at(session.metadata.uid)

    def _observe(self, session: AgentSession) -> None:
        uid, key = session.metadata.uid, runtime_key(session)
        self.ledger.observe(session)
        queue = self._waiting.setdefault(key, {})
        if session.ended or session.bound:
            queue.pop(uid, None)
            self._unplaceable.pop(uid, None)
        else:
            queue[uid] = session
        if not session.bound:
            self._touch(key)

    def _discard(self, session: AgentSession) -> None:
        uid, key = session.metadata.uid, runtime_key(session)
        self._unplaceable.pop(uid, None)
        self.ledger.remove(uid)
        self._deadlines.discard(uid)
        self._waiting.get(key, {}).pop(uid, None)
        self._touch(key)

    def _rest(self, returned: AgentSession) -> None:
        """The pod that gave it back is left alone for a while."""
        pod_uid = returned.status.pod_uid or ""
        until = self._rests.returned(pod_uid, runtime_key(returned), self._clock.wall())
        self._deadlines.set(pod_uid, until)

    def _look_at(self, uid: str) -> None:
        self._due.add(uid)
        self._wake.set()

    def _look_at_sessions_of(self, pod_uid: str) -> None:
        for session in self._sessions.store:
            if session.status.pod_uid == pod_uid and not session.ended:
                self._look_at(session.metadata.uid)

    def _look_at_those_who_wait_for(self, pod: Pod) -> None:
        for uid, session in self._waiting.get(pod_runtime_key(pod), {}).items():
            if session.spec.pod_name == pod.metadata.name:
                self._look_at(uid)

    def _touch(self, key: RuntimeKey) -> None:
        self._touched.add(key)
        self._wake.set()

    def _cycle(self) -> None:
        begun = self._clock.boot()
        snapshot = self._snapshot()
        decided = plan(snapshot)
        for uid, at in decided.wake.items():
            self._deadlines.set(uid, at)
        for action in decided.actions:
            self._assume(action)
        for key, short in decided.short.items():
            if self._short.get(key, 0) != short:
                self._short[key] = short
                self.on_short(key)
        self._wake_alarm.set()
        self._metrics.cycle(self._clock.boot() - begun, len(decided.actions))

    def _snapshot(self) -> Snapshot:
        now = self._clock.wall()
        due, self._due = self._due | set(self._deadlines.due(now)), set()
        touched, self._touched = self._touched | self._rests.ended(now), set()
        known = (self._sessions.store.get(uid) for uid in due if uid not in self._under_way)
        return Snapshot(
            now=now,
            epoch=self._epoch,
            fleets=self._fleets,
            pods={pod.metadata.uid: pod for pod in self._pods.store},
            lost=self._lost,
            tally=self.ledger,
            due=[session for session in known if session is not None],
            waiting={
                key: [s for uid, s in self._waiting.get(key, {}).items() if uid not in self._under_way]
                for key in touched
            },
            resting=self._rests.resting(now),
            unplaceable=self._unplaceable,
            failing={key for key in touched if self._failing(key)},
            cordoned_nodes=self._nodes.names,
        )

    def _failing(self, key: RuntimeKey) -> bool:
        fleet = self._fleets.get(key)
        return fleet is not None and self.trials.of(key, fleet.revision).failing

    def _assume(self, action: Action) -> None:
        if self._group is None:
            raise RuntimeError("a cycle outside run()")
        match action:
            case Admit(session=session):
                self.ledger.admit(session)
            case Bind() | WriteStatus() | SetFinalizers() | DeleteSession():
                if isinstance(action, Bind | SetFinalizers) and action.pod is not None:
                    self.ledger.assume(action.session, action.pod.metadata.uid)
                self._under_way.add(action.session.metadata.uid)
                self._group.create_task(self._write(action))
            case MarkBusy(pod=pod):
                if pod.metadata.uid not in self.pods_in_label:
                    self.pods_in_label.add(pod.metadata.uid)
                    self._group.create_task(self._label(pod))
            case ExaminePod():
                if action.uid not in self._examining:
                    self._examining.add(action.uid)
                    self._group.create_task(self._examine_pod(action))
            case ExamineOnlyPod(session=session):
                if session.metadata.uid not in self._examining:
                    self._examining.add(session.metadata.uid)
                    self._group.create_task(self._examine_only_pod(session))
            case _:
                assert_never(action)

    async def _write(self, write: SessionWrite) -> None:
        session = write.session
        begun = self._clock.boot()
        after = await self._writer.session(write)
        self._metrics.wrote(purpose(write), self._clock.boot() - begun)
        if isinstance(write, WriteStatus):
            self._tell(write)
        if isinstance(write, Bind) and after is not None and after.status.pod_uid == write.pod.metadata.uid:
            self._metrics.bound(self._clock.wall(), session)
        self._settle(session, after)

    def _tell(self, write: WriteStatus) -> None:
        """What is decided against a session, or makes it wait for, stands in the log and in an event, too."""
        shown = find(write.fields["conditions"], SCHEDULED)
        reason, message = write.fields.get("reason"), write.fields.get("message")
        if reason is None and shown is not None:
            reason, message = shown.reason, shown.message
        session = write.session
        named = {"session": session.metadata.name, "call": session.spec.call_id}
        logger.info("session %s, %s: %s: %s", session.metadata.key, write.purpose, reason, message, extra=named)
        if reason is not None and (write.fields.get("phase") is not Phase.CLOSED):
            self._events.of_session(session, Kind.WARNING, str(reason), message or "")

    def _settle(self, before: AgentSession, after: AgentSession | None) -> None:
        """The answer goes into the store, and what was assumed gives way to what is known."""
        uid = before.metadata.uid
        self._under_way.discard(uid)
        if after is None:
            self._sessions.forget(before)
            self._discard(before)
            return
        self._sessions.learn(after)
        newest = self._sessions.store.get(uid) or after
        self.ledger.settle(newest)
        self._touch(runtime_key(newest))
        self._look_at(uid)

    async def _label(self, pod: Pod) -> None:
        try:
            after = await self._writer.label_busy(pod, busy=True)
        finally:
            self.pods_in_label.discard(pod.metadata.uid)
        if after is None:
            self._pods.forget(pod)
        else:
            self._pods.learn(after)
        self._touch(pod_runtime_key(pod))

    async def _examine_pod(self, question: ExaminePod) -> None:
        """Absence is not proof: only a read of the pod itself says that it is lost."""
        pod = await self._writer.read_pod(question.namespace, question.name)
        self._examining.discard(question.uid)
        if pod is None or is_lost(pod, question.uid, self._clock.wall()):
            self._lost.add(question.uid)
            self._look_at_sessions_of(question.uid)
            return
        self._pods.learn(pod)
        for session in self._sessions.store:
            if session.status.pod_uid == question.uid:
                self._deadlines.set(session.metadata.uid, self._clock.wall() + _EXAMINE_AGAIN)
        self._wake_alarm.set()

    async def _examine_only_pod(self, session: AgentSession) -> None:
        uid = session.metadata.uid
        pod = await self._writer.read_pod(session.metadata.namespace, session.spec.pod_name or "")
        self._examining.discard(uid)
        ending = refusal(session, pod)
        if ending is not None:
            self._unplaceable[uid] = ending
        elif pod is not None:
            self._pods.learn(pod)
        self._look_at(uid)

    async def _alarm(self) -> None:
        """Wakes the loop at the next deadline, and for a look at everything once a minute."""
        resync_at = self._clock.boot() + _RESYNC_SECONDS
        while True:
            self._wake_alarm.clear()
            next_at = self._deadlines.next_at()
            pause = resync_at - self._clock.boot()
            if next_at is not None:
                pause = min(pause, (next_at - self._clock.wall()).total_seconds())
            try:
                async with self._clock.timeout(max(pause, 0.0)):
                    await self._wake_alarm.wait()
                    continue
            except TimeoutError:
                pass
            if self._clock.boot() >= resync_at:
                resync_at = self._clock.boot() + _RESYNC_SECONDS
                self._due.update(session.metadata.uid for session in self._sessions.store)
                self._touched.update(self._waiting)
            self._wake.set()
            # The cycle takes out what is due before the next pause is worked out.
            await self._wake_alarm.wait()


def _was_admitted(session: AgentSession) -> bool:
    """It has been shown as waiting for a slot; one that has no AgentRuntime to take it has not been decided on."""
    shown = find(session.status.conditions, SCHEDULED)
    waits = shown is not None and shown.status is ConditionStatus.FALSE and not session.ended
    return waits and shown is not None and shown.reason not in UNDECIDED


def _given_back(session: AgentSession) -> bool:
    shown = find(session.status.conditions, SCHEDULED)
    return not session.bound and shown is not None and shown.reason == WaitReason.RETURNED.value
