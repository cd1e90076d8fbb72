"""Where a session stands in the queue of its runtime, and how long that may take. Pure.

By what the feed shows: the operator, who binds, may know a moment more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from greenroom_api.backend import QueuePlace
from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.queue import turn, waits
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from greenroom_core.model.session import AgentSession

OF_LATE = timedelta(minutes=5)


def place(session: AgentSession, sessions: Iterable[AgentSession], now: datetime) -> QueuePlace | None:
    """None if it does not wait for a slot. `sessions` are all of its namespace."""
    if not waits(session):
        return None
    mine = turn(session)
    before = bound = 0
    for other in sessions:
        if other.spec.runtime != session.spec.runtime:
            continue
        if other.status.scheduled_at is not None and now - other.status.scheduled_at < OF_LATE:
            bound += 1
        if waits(other) and turn(other) < mine:
            before += 1
    expected = (before + 1) * OF_LATE.total_seconds() / bound if bound else None
    return QueuePlace(before + 1, None if expected is None else round(expected, 1), _cause(session))


def _cause(session: AgentSession) -> str | None:
    shown = find(session.status.conditions, SCHEDULED)
    return shown.reason if shown is not None and shown.status is ConditionStatus.FALSE else None
