"""What follows when a session has to leave its pod: what is kept of the attempt, and how long it pauses. Pure.

All of it is read from the status, so that a new leader and the next pod come to the same as those before them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.session import LastAttempt

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom_core.model.session import AgentSession, SessionStatus

RESTARTS_IN_A_ROW = 6
"""A session that loses one more pod in a row ends, as a Job's pods do: it may be what takes them down."""

STEADY_AFTER = timedelta(minutes=10)
"""A pod that is lost after it ran the session for longer begins a new row."""

_LONGEST_PAUSE_SECONDS = 60.0


def pause_seconds(losses: int) -> float:
    """How long a session waits before it may be bound again, after `losses` pods in a row: 0, 2, 4, 8 … 60 s."""
    return 0.0 if losses <= 1 else min(2.0 ** (losses - 1), _LONGEST_PAUSE_SECONDS)


def paused_until(session: AgentSession) -> datetime | None:
    """When a session whose pod was lost may be bound again; None for one that need not pause."""
    status, last = session.status, session.status.last_attempt
    if session.bound or session.ended or last is None or last.attempt != status.attempt:
        return None
    pause = pause_seconds(last.losses) if last.reason is WaitReason.POD_LOST else 0.0
    return last.ended_at + timedelta(seconds=pause) if pause else None


def pauses(session: AgentSession, now: datetime) -> bool:
    """It is not to be bound yet, whatever is free."""
    until = paused_until(session)
    return until is not None and now < until


def last_attempt(status: SessionStatus, reason: WaitReason, message: str, at: datetime) -> LastAttempt:
    """The record of the attempt that `status` shows, which is over at `at`."""
    return LastAttempt(
        attempt=status.attempt,
        pod_name=status.pod_name,
        revision=status.revision,
        started_at=status.started_at,
        joined_at=status.joined_at,
        ended_at=at,
        reason=reason,
        message=message,
        first_started_at=first_started_at(status),
        losses=_losses_before(status, at) + (reason is WaitReason.POD_LOST),
    )


def first_started_at(status: SessionStatus) -> datetime | None:
    """When the first agent of the session was built, in whichever attempt."""
    before = status.last_attempt
    return before.first_started_at if before is not None and before.first_started_at is not None else status.started_at


def lasts_until(session: AgentSession) -> datetime | None:
    """When a session that has run before has lasted as long as it may; pauses and waits count."""
    begun, settings = first_started_at(session.status), session.status.effective
    longest = settings.limits.max_duration_seconds if settings is not None else None
    return begun + timedelta(seconds=longest) if begun is not None and longest is not None else None


def _losses_before(status: SessionStatus, at: datetime) -> int:
    steady = status.started_at is not None and at - status.started_at > STEADY_AFTER
    return 0 if status.last_attempt is None or steady else status.last_attempt.losses
