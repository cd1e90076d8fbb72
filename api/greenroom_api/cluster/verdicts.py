"""Pure readings of an AgentSession: what clients see of it, and what its state says about its start."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from greenroom_api.backend import (
    AgentFailed,
    EndedEarly,
    Full,
    Limit,
    LimitReached,
    NoSlot,
    RequestRefused,
    SessionInfo,
    Started,
    StartOutcome,
)
from greenroom_core.model.meta import find
from greenroom_core.model.reasons import UNDECIDED, EndReason
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession

_NEVER = datetime.fromtimestamp(0, UTC)


def seen(session: AgentSession) -> SessionInfo:
    """The session as clients see it."""
    spec, status = session.spec, session.status
    return SessionInfo(
        session_id=session.metadata.name,
        call_id=spec.call_id,
        call_type=spec.call_type,
        runtime=spec.runtime,
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        pod=status.pod_name,
        created_at=session.metadata.creation_timestamp or _NEVER,
        session_started_at=status.started_at,
        ended_at=status.ended_at,
    )


def start_outcome(session: AgentSession) -> StartOutcome | None:
    """What became of the start; None while that is open. A session that has been Running has started, for good."""
    if session.status.started_at is not None:
        return Started(seen(session))
    if not session.ended:
        return None
    message = session.status.message or ""
    match session.status.reason:
        case EndReason.MAX_SESSIONS_PER_CALL:
            return LimitReached(Limit.SESSIONS_PER_CALL)
        case EndReason.MAX_CONCURRENT_SESSIONS:
            return LimitReached(Limit.CONCURRENT_SESSIONS)
        case EndReason.START_DEADLINE:
            return NoSlot()
        case EndReason.NO_CAPACITY:
            return Full()
        case EndReason.INVALID_SPEC:
            return RequestRefused(message or "the session's spec is invalid")
        case EndReason.CLOSE_REQUESTED | EndReason.DELETED:
            return EndedEarly()
        case reason:
            return AgentFailed(reason.value if reason else "Unknown", message)


def refused(outcome: StartOutcome) -> bool:
    """The client was told that there is no such session, so none is to be left."""
    return isinstance(outcome, LimitReached | NoSlot | Full | RequestRefused)


def holds_a_place(session: AgentSession) -> bool:
    """It certainly counts against its runtime's limits: the operator has decided on it, and it has not ended.

    One that may be withdrawn or ended at this moment without ever having been bound does not count.
    """
    if session.ended:
        return False
    if session.status.pod_uid is not None:
        return True
    if session.deleting or session.close_requested:
        return False
    scheduled = find(session.status.conditions, SCHEDULED)
    return scheduled is not None and scheduled.reason not in UNDECIDED
