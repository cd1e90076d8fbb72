"""Where a session stands in the queue of its runtime, and how long that may take. Pure.

By what the feed shows: the operator, who binds, may know a moment more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from greenroom_api.backend import QueuePlace
from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.queue import shares_of, turn, turns, waits
from greenroom_core.model.recovery import pauses
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from greenroom_core.model.session import AgentSession

OF_LATE = timedelta(minutes=5)


def place(
    session: AgentSession, sessions: Iterable[AgentSession], now: datetime, fair_by: str | None = None
) -> QueuePlace | None:
    """None if it does not wait for a slot. `sessions` are all of its namespace; `fair_by` is its runtime's."""
    if not waits(session):
        return None
    if pauses(session, now):
        return QueuePlace(None, None, _cause(session))
    of_runtime = [other for other in sessions if other.spec.runtime == session.spec.runtime]
    bound = sum(1 for other in of_runtime if _bound_of_late(other, now))
    before = _before(session, of_runtime, now, fair_by)
    expected = (before + 1) * OF_LATE.total_seconds() / bound if bound else None
    return QueuePlace(before + 1, None if expected is None else round(expected, 1), _cause(session))


def _before(session: AgentSession, of_runtime: Sequence[AgentSession], now: datetime, fair_by: str | None) -> int:
    """How many go before it, in the order in which the operator binds. Whoever pauses does not stand in the queue."""
    others = (other for other in of_runtime if other.metadata.uid != session.metadata.uid)
    waiting = [other for other in others if waits(other) and not pauses(other, now)]
    if fair_by is None:
        mine = turn(session)
        return sum(1 for other in waiting if turn(other) < mine)
    order = turns([session, *waiting], fair_by, shares_of(of_runtime, fair_by))
    return next(number for number, other in enumerate(order) if other is session)


def _bound_of_late(session: AgentSession, now: datetime) -> bool:
    at = session.status.scheduled_at
    return at is not None and now - at < OF_LATE


def _cause(session: AgentSession) -> str | None:
    shown = find(session.status.conditions, SCHEDULED)
    return shown.reason if shown is not None and shown.status is ConditionStatus.FALSE else None
