"""What one term of leadership knows of sessions, and what is to be looked at when they, pods or fleets change.

It decides nothing. A new leader starts with a new one, rebuilt from the relisted feeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.reasons import UNDECIDED, WaitReason
from greenroom_core.model.session import SCHEDULED
from greenroom_operator.planning.values import pod_runtime_key, runtime_key
from greenroom_operator.state.agenda import Agenda
from greenroom_operator.state.ledger import Ledger
from greenroom_operator.state.queues import Queues
from greenroom_operator.state.rests import Rests
from greenroom_operator.state.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from greenroom_core.kube.feed import Change
    from greenroom_core.kube.store import Store
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.values import Ending, Fleet, RuntimeKey


class Term:
    """`ring()` is called whenever there is something to look at now.

    `lost`: pods, by uid, that a read has shown to be gone. `unplaceable`: sessions, by uid, that their only pod will
    never take, and why; both are written by who examines pods. `labelling`: pods, by uid, whose busy label is on its
    way. `short`: sessions that any pod of the fleet might take and none has a slot for, as the last cycle counted them.
    `sizes`: how many pods of its newest revision each fleet is to have, as it was last looked at.
    """

    def __init__(
        self, sessions: Store[AgentSession], fleets: Mapping[RuntimeKey, Fleet], ring: Callable[[], None]
    ) -> None:
        self.ledger = Ledger(sessions)
        self.queues = Queues()
        self.agenda = Agenda(ring)
        self.rests = Rests()
        self.trials = Trials()
        self.lost: set[str] = set()
        self.unplaceable: dict[str, Ending] = {}
        self.labelling: set[str] = set()
        self.short: dict[RuntimeKey, int] = {}
        self.sizes: dict[RuntimeKey, int] = {}
        self._sessions = sessions
        self._fleets = fleets
        self._rebuild()

    def on_session(self, change: Change[AgentSession], now: datetime) -> None:
        session, before = change.new, change.old
        if session is None:
            # This feed has no selector and lists by quorum: what it misses has been deleted, and stays so.
            if before is not None:
                self.discard(before)
            return
        if before is not None and before.bound and _given_back(session):
            self._rest_pod_of(before, now)
        if self.trials.observe(runtime_key(session), before, session):
            self.agenda.look_at_fleets(runtime_key(session))
        self._observe(session)
        self.agenda.look_at(session.metadata.uid)

    def on_pod(self, change: Change[Pod]) -> None:
        pod = change.new or change.old
        if pod is None:
            return
        self.agenda.look_at_fleets(pod_runtime_key(pod))
        gone = change.new is None or change.new.finished or change.new.leaving
        if gone:
            self._look_at(self._waiting_for(pod))
        if gone and self.ledger.on_pod(pod.metadata.uid):
            self._look_at(self.bound_to(pod.metadata.uid))

    def on_fleet(self, key: RuntimeKey) -> None:
        fleet = self._fleets.get(key)
        self.trials.keep_only(key, fleet.revision if fleet is not None else "")
        if fleet is None or fleet.deleting:
            self._look_at(self.queues.of(key))  # why they wait is another reason now
        self.agenda.look_at_fleets(key)

    def settle(self, session: AgentSession) -> None:
        """A write of the session is answered, and this is what the API server holds now."""
        self.ledger.settle(session)
        self.agenda.look_at_fleets(runtime_key(session))
        self.agenda.look_at(session.metadata.uid)

    def discard(self, session: AgentSession) -> None:
        """The session is deleted."""
        uid = session.metadata.uid
        self.unplaceable.pop(uid, None)
        self.ledger.remove(uid)
        self.agenda.forget(uid)
        self.queues.remove(session)
        self.agenda.look_at_fleets(runtime_key(session))

    def look_at_everything(self) -> None:
        self._look_at(self._sessions)
        self.agenda.look_at_fleets(*self.queues.fleets)

    def bound_to(self, pod_uid: str) -> list[AgentSession]:
        """Sessions of that pod; ended ones are not among them."""
        return [session for session in self._sessions if session.status.pod_uid == pod_uid and not session.ended]

    def failing(self, key: RuntimeKey) -> bool:
        """Whether sessions fail at their start on the fleet's newest revision."""
        fleet = self._fleets.get(key)
        return fleet is not None and self.trials.of(key, fleet.revision).failing

    def _rebuild(self) -> None:
        """Bound sessions first, then those that have been shown as waiting: both were admitted before."""
        for session in self._sessions:
            self.trials.observe(runtime_key(session), None, session)
            self._observe(session)
            if _was_admitted(session):
                self.ledger.admit(session)
            self.agenda.look_at(session.metadata.uid)

    def _observe(self, session: AgentSession) -> None:
        self.ledger.observe(session)
        self.queues.observe(session)
        if session.ended or session.bound:
            self.unplaceable.pop(session.metadata.uid, None)
        if not session.bound:
            self.agenda.look_at_fleets(runtime_key(session))

    def _rest_pod_of(self, returned: AgentSession, now: datetime) -> None:
        """The pod that gave it back is left alone for a while."""
        pod_uid = returned.status.pod_uid or ""
        self.agenda.look_again(pod_uid, self.rests.returned(pod_uid, runtime_key(returned), now))

    def _look_at(self, sessions: Iterable[AgentSession]) -> None:
        self.agenda.look_at(*(session.metadata.uid for session in sessions))

    def _waiting_for(self, pod: Pod) -> list[AgentSession]:
        """Sessions that this pod alone may run, by its name."""
        return [s for s in self.queues.of(pod_runtime_key(pod)) if s.spec.pod_name == pod.metadata.name]


def _was_admitted(session: AgentSession) -> bool:
    """It has been shown as waiting for a slot; one that has no AgentRuntime to take it has not been decided on."""
    shown = find(session.status.conditions, SCHEDULED)
    waits = shown is not None and shown.status is ConditionStatus.FALSE and not session.ended
    return waits and shown is not None and shown.reason not in UNDECIDED


def _given_back(session: AgentSession) -> bool:
    shown = find(session.status.conditions, SCHEDULED)
    return not session.bound and shown is not None and shown.reason == WaitReason.RETURNED.value
