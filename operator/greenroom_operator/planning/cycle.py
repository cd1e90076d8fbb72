"""One scheduling cycle: from a snapshot to everything that should now be written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from greenroom_core.model import names
from greenroom_core.model.queue import turns, waiting_since
from greenroom_core.model.recovery import pauses
from greenroom_operator.planning import lifecycle, status
from greenroom_operator.planning.capacity import Patience, slots_to_come
from greenroom_operator.planning.cordons import closed
from greenroom_operator.planning.limits import Admission
from greenroom_operator.planning.placement import Rooms
from greenroom_operator.planning.values import (
    Action,
    Admit,
    Bind,
    Ending,
    ExamineOnlyPod,
    ExaminePod,
    Fleet,
    MarkBusy,
    Plan,
    RuntimeKey,
    SetFinalizers,
    Snapshot,
    WriteStatus,
    pod_runtime_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession


def plan(snapshot: Snapshot) -> Plan:
    """Looks at each due session, then gives the free slots of each touched runtime to those who wait."""
    cycle = _Cycle(snapshot)
    for session in snapshot.due:
        cycle.look_at(session)
    for key, waiting in snapshot.waiting.items():
        cycle.place(key, waiting)
    for session in snapshot.due:
        cycle.show_wait(session)
    return Plan(tuple(cycle.actions), cycle.wake, cycle.short)


class _Cycle:
    def __init__(self, snapshot: Snapshot) -> None:
        self.actions: list[Action] = []
        self.wake: dict[str, datetime] = {}
        self.short: dict[RuntimeKey, int] = {}
        self._snapshot = snapshot
        self._acted: set[str] = set()
        self._examined: set[str] = set()
        self._labelled: set[str] = set()
        self._admission = Admission(snapshot.tally)

    def look_at(self, session: AgentSession) -> None:
        if session.ended:
            answer = lifecycle.ended(session, self._snapshot)
        elif session.bound:
            answer = lifecycle.bound(session, self._snapshot)
        else:
            answer = lifecycle.unbound(session, self._snapshot)
        self._take(session, answer)

    def place(self, key: RuntimeKey, waiting: Sequence[AgentSession]) -> None:
        fleet = self._snapshot.fleets.get(key)
        if fleet is None or fleet.deleting:
            self.short[key] = 0
            return
        candidates = [s for s in waiting if s.metadata.uid not in self._acted and self._may_be_bound(s)]
        admitted = self._in_order(fleet, self._admit(fleet, candidates))
        self.short[key] = 0
        if not admitted:
            return  # most cycles: a slot has come free, or a bind is answered
        snapshot, failing = self._snapshot, key in self._snapshot.failing
        pods = [
            pod
            for pod in snapshot.pods.values()
            if pod_runtime_key(pod) == key and not closed(pod, fleet, snapshot.cordoned_nodes)
        ]
        awake = [pod for pod in pods if pod.metadata.uid not in snapshot.resting]
        rooms = Rooms(fleet, awake, snapshot.tally, failing=failing, size=snapshot.sizes.get(key))
        to_come = partial(slots_to_come, fleet, pods, awake, snapshot.tally, failing=failing)
        patience = Patience(fleet, rooms, to_come)
        for session in admitted:
            pod = rooms.take(session)
            if pod is not None:
                self._give(session, pod, fleet)
            elif (refusal := patience.refusal(session)) is not None:
                self._refuse(session, refusal)
            elif session.spec.pod_name is None:
                self.short[key] += 1

    def show_wait(self, session: AgentSession) -> None:
        waits = not session.ended and not session.bound and not _unwanted(session)
        if waits and session.metadata.uid not in self._acted:
            self._take(session, lifecycle.wait_notice(session, self._snapshot))

    def _admit(self, fleet: Fleet, candidates: Sequence[AgentSession]) -> list[AgentSession]:
        known = [s for s in candidates if self._snapshot.tally.admitted(s.metadata.uid)]
        new = [s for s in candidates if not self._snapshot.tally.admitted(s.metadata.uid)]
        for session in sorted(new, key=lambda s: (waiting_since(s), s.metadata.uid)):
            refusal = self._admission.refusal(session, fleet.runtime)
            if refusal is None:
                self.actions.append(Admit(session))
                known.append(session)
            else:
                self._refuse(session, refusal)
        return known

    def _in_order(self, fleet: Fleet, admitted: Sequence[AgentSession]) -> list[AgentSession]:
        fair_by, meta = fleet.runtime.spec.queue.fair_by, fleet.runtime.metadata
        if fair_by is None or not admitted:
            return turns(admitted)
        shares = self._snapshot.tally.shares(RuntimeKey(meta.namespace, meta.name), fair_by)
        return turns(admitted, fair_by, shares)

    def _may_be_bound(self, session: AgentSession) -> bool:
        return not (_unwanted(session) or pauses(session, self._snapshot.now))

    def _refuse(self, session: AgentSession, refusal: Ending) -> None:
        fields = status.end(session, *refusal, self._snapshot.epoch, self._snapshot.now)
        self._act(session, WriteStatus(session, "refuse", fields))

    def _give(self, session: AgentSession, pod: Pod, fleet: Fleet) -> None:
        if not pod.busy:
            if pod.metadata.uid not in self._labelled:
                self._labelled.add(pod.metadata.uid)
                self.actions.append(MarkBusy(pod))
            # The label has to stand first; the pod's change brings the next cycle.
            self._acted.add(session.metadata.uid)
        elif names.LEAVE_CALL not in session.metadata.finalizers:
            self._act(session, SetFinalizers(session, (*session.metadata.finalizers, names.LEAVE_CALL), pod))
        else:
            fields = status.bind(session, pod, fleet.runtime, self._snapshot.epoch, self._snapshot.now)
            self._act(session, Bind(session, pod, fields))

    def _take(self, session: AgentSession, answer: lifecycle.Answer) -> None:
        action, wake_at = answer
        uid = session.metadata.uid
        if wake_at is not None:
            self.wake[uid] = min(wake_at, self.wake.get(uid, wake_at))
        if isinstance(action, ExaminePod):
            if action.uid not in self._examined:
                self._examined.add(action.uid)
                self.actions.append(action)
        elif isinstance(action, ExamineOnlyPod):
            self.actions.append(action)
        elif action is not None:
            self._act(session, action)

    def _act(self, session: AgentSession, action: Action) -> None:
        self._acted.add(session.metadata.uid)
        self.actions.append(action)


def _unwanted(session: AgentSession) -> bool:
    """Never bound again: its end is asked for."""
    return session.deleting or session.close_requested
