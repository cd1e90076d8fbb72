"""The queue of sessions that wait for a slot: since when each waits, and whose turn is next. Pure.

The operator binds in this order, the API tells clients their place in it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom_core.model.session import AgentSession

_STAMP_RESOLUTION = timedelta(seconds=1)


def waits(session: AgentSession) -> bool:
    """It has no pod and is to get one."""
    return not (session.bound or session.ended or session.deleting or session.close_requested)


def waiting_since(session: AgentSession) -> datetime:
    """When it began to wait for a slot; a creation stamp is cut to whole seconds, so the latest it can mean."""
    condition = find(session.status.conditions, SCHEDULED)
    moved = condition is not None and session.status.attempt > 0
    if moved and condition is not None and condition.status is ConditionStatus.FALSE:
        return condition.last_transition_time
    created = session.metadata.creation_timestamp
    if created is None:
        raise ValueError(f"session {session.metadata.key} has no creationTimestamp: it does not come from a server")
    return created + _STAMP_RESOLUTION


def turn(session: AgentSession) -> tuple[bool, int, datetime, str]:
    """Sort key: a launcher's own starts, then priority, then who has waited longest."""
    return session.spec.pod_name is None, -session.spec.priority, waiting_since(session), session.metadata.uid
