"""The status fields that the operator writes, one function a purpose. None takes a field away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from greenroom_core.model.meta import Condition, ConditionStatus, find, merged
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import FAILURES, EndReason, WaitReason
from greenroom_core.model.recovery import pause_seconds
from greenroom_core.model.session import JOINED, MESSAGE_MAX_LENGTH, READY, SCHEDULED
from greenroom_operator.planning.effective import effective

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession, LastAttempt

Fields = dict[str, Any]


def bind(session: AgentSession, pod: Pod, runtime: AgentRuntime | None, epoch: int, now: datetime) -> Fields:
    """Hands the baton to the pod."""
    scheduled = Condition(
        type=SCHEDULED,
        status=ConditionStatus.TRUE,
        reason="Bound",
        message=f"bound to pod {pod.metadata.name}",
        last_transition_time=now,
    )
    return {
        "phase": Phase.SCHEDULED,
        "podName": pod.metadata.name,
        "podUID": pod.metadata.uid,
        "attempt": session.status.attempt + 1,
        "epoch": epoch,
        "effective": effective(session, runtime),
        "revision": pod.revision,
        "scheduledAt": now,
        "conditions": merged(session.status.conditions, scheduled),
        **_cleared(session, "started_at", "joined_at", "answer"),
    }


def end(session: AgentSession, reason: EndReason, message: str, epoch: int, now: datetime) -> Fields:
    """Ends a session that no pod holds."""
    return {
        "phase": Phase.FAILED if reason in FAILURES else Phase.CLOSED,
        "reason": reason,
        "message": message[:MESSAGE_MAX_LENGTH],
        "endedAt": now,
        "epoch": epoch,
        "conditions": _not_running(session, reason.value, now),
        **_cleared(session, "answer", "checkpoint"),
    }


def take_back(session: AgentSession, record: LastAttempt, epoch: int) -> Fields:
    """Takes the baton back after the attempt on record: the session waits again."""
    now, reason = record.ended_at, record.reason
    return {
        "phase": Phase.PENDING,
        "podName": None,
        "podUID": None,
        "epoch": epoch,
        "lastAttempt": record,
        "conditions": merged(_not_running(session, reason.value, now), _waiting(reason, _outlook(record), now)),
        **_cleared(session, "started_at", "joined_at", "answer"),
    }


def _outlook(record: LastAttempt) -> str:
    """What became of the attempt, and when the next one may begin, unless that is at once."""
    pause = pause_seconds(record.losses) if record.reason is WaitReason.POD_LOST else 0.0
    if not pause:
        return record.message
    again_at = (record.ended_at + timedelta(seconds=pause)).isoformat(timespec="seconds")
    return f"{record.message}, {record.losses} in a row; not bound again before {again_at}"


def wait(session: AgentSession, reason: WaitReason, message: str, now: datetime) -> Fields:
    """Shows why the session waits."""
    return {"conditions": merged(session.status.conditions, _waiting(reason, message, now))}


def _waiting(reason: WaitReason, message: str, now: datetime) -> Condition:
    return Condition(
        type=SCHEDULED,
        status=ConditionStatus.FALSE,
        reason=reason.value,
        message=message,
        last_transition_time=now,
    )


def _not_running(session: AgentSession, reason: str, now: datetime) -> tuple[Condition, ...]:
    conditions = session.status.conditions
    for type_ in (READY, JOINED):
        if find(conditions, type_) is not None:
            over = Condition(type=type_, status=ConditionStatus.FALSE, reason=reason, last_transition_time=now)
            conditions = merged(conditions, over)
    return conditions


_WIRE_NAMES = {"started_at": "startedAt", "joined_at": "joinedAt", "answer": "answer", "checkpoint": "checkpoint"}


def _cleared(session: AgentSession, *fields: str) -> Fields:
    return {_WIRE_NAMES[field]: None for field in fields if getattr(session.status, field) is not None}
