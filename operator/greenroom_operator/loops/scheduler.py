"""The scheduling loop of one term of leadership: what is due goes to planning, what it decides is started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from greenroom_core.model.recovery import paused_until
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import (
    Action,
    Admit,
    Bind,
    DeleteSession,
    ExamineOnlyPod,
    ExaminePod,
    MarkBusy,
    SetFinalizers,
    Snapshot,
    WriteStatus,
    runtime_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.clock import Clock
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.cluster.nodes import CordonedNodes
    from greenroom_operator.loops.alarm import Alarm
    from greenroom_operator.loops.busy_labels import BusyLabels
    from greenroom_operator.loops.pod_examinations import PodExaminations
    from greenroom_operator.loops.session_writes import SessionWrites
    from greenroom_operator.metrics import OperatorMetrics
    from greenroom_operator.planning.values import Fleet, RuntimeKey
    from greenroom_operator.state.term import Term

_LOOK_AT_EVERYTHING_SECONDS = 60.0


class Scheduler:
    """`alarm` is the one that the term rings; `on_short(key)` is told when another number of a fleet's sessions waits
    for a slot."""

    def __init__(
        self,
        *,
        clock: Clock,
        alarm: Alarm,
        term: Term,
        epoch: int,
        fleets: Mapping[RuntimeKey, Fleet],
        sessions: Feed[AgentSession],
        pods: Feed[Pod],
        nodes: CordonedNodes,
        writes: SessionWrites,
        labels: BusyLabels,
        examinations: PodExaminations,
        on_short: Callable[[RuntimeKey], None],
        metrics: OperatorMetrics,
    ) -> None:
        self._clock = clock
        self._alarm = alarm
        self._term = term
        self._epoch = epoch
        self._fleets = fleets
        self._sessions = sessions
        self._pods = pods
        self._nodes = nodes
        self._writes = writes
        self._labels = labels
        self._examinations = examinations
        self._on_short = on_short
        self._metrics = metrics
        self._everything_at = clock.boot() + _LOOK_AT_EVERYTHING_SECONDS

    async def run(self) -> None:
        """One cycle whenever something is due. Raises (in a group) Withheld when leadership is over."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._alarm.heard(self._pause_seconds())
                if self._clock.boot() >= self._everything_at:
                    self._everything_at = self._clock.boot() + _LOOK_AT_EVERYTHING_SECONDS
                    self._term.look_at_everything()
                self._cycle(group)

    def _pause_seconds(self) -> float:
        """Until the next deadline, or the look at everything once a minute."""
        pause = self._everything_at - self._clock.boot()
        next_at = self._term.agenda.next_at()
        return pause if next_at is None else min(pause, (next_at - self._clock.wall()).total_seconds())

    def _cycle(self, group: asyncio.TaskGroup) -> None:
        begun = self._clock.boot()
        decided = plan(self._snapshot())
        for uid, at in decided.wake.items():
            self._term.agenda.look_again(uid, at)
        for action in decided.actions:
            self._start(action, group)
        for key, short in decided.short.items():
            if self._term.short.get(key, 0) != short:
                self._term.short[key] = short
                self._on_short(key)
        self._metrics.cycle(self._clock.boot() - begun, len(decided.actions))

    def _snapshot(self) -> Snapshot:
        term, now = self._term, self._clock.wall()
        due = term.agenda.take(now)
        known = (self._sessions.store.get(uid) for uid in due.sessions if uid not in self._writes.under_way)
        sessions = [session for session in known if session is not None]
        # A session that has paused after losses is due when that is over, though nothing else has changed.
        paused = (runtime_key(session) for session in sessions if paused_until(session) is not None)
        fleets = dict.fromkeys((*due.fleets, *term.rests.ended(now), *paused))
        return Snapshot(
            now=now,
            epoch=self._epoch,
            fleets=self._fleets,
            pods=self._pods.store.by_uid,
            lost=term.lost,
            tally=term.ledger,
            due=sessions,
            waiting={
                key: [s for s in term.queues.of(key) if s.metadata.uid not in self._writes.under_way] for key in fleets
            },
            resting=term.rests.resting(now),
            unplaceable=term.unplaceable,
            failing={key for key in fleets if term.failing(key)},
            cordoned_nodes=self._nodes.names,
            sizes=self._term.sizes,
        )

    def _start(self, action: Action, group: asyncio.TaskGroup) -> None:
        match action:
            case Admit(session=session):
                self._term.ledger.admit(session)
            case Bind() | WriteStatus() | SetFinalizers() | DeleteSession():
                self._writes.start(action, group)
            case MarkBusy(pod=pod):
                self._labels.put_on(pod, group)
            case ExaminePod():
                self._examinations.start(action, group)
            case ExamineOnlyPod():
                self._examinations.start_of_only_pod(action, group)
            case _:
                assert_never(action)
