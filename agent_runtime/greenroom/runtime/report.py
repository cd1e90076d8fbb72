"""What the pod writes into a session's status at each step: field values from facts, nothing sent. Pure.

Conditions are whole values: each function takes those known and returns all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom_core.model import meta
from greenroom_core.model.meta import Condition, ConditionStatus
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import FAILURES, EndReason, WaitReason
from greenroom_core.model.session import JOINED, READY, SCHEDULED

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom_core.model.meta import Conditions
    from greenroom_core.model.metrics import SessionMetrics
    from greenroom_core.model.session import LastAttempt, SessionStatus

Fields = dict[str, Any]


def running(status: SessionStatus, at: datetime) -> Fields:
    """The agent has been built."""
    fields: Fields = {
        "phase": Phase.RUNNING,
        "startedAt": at,
        "conditions": _with(status.conditions, READY, True, "AgentBuilt", at),
    }
    if status.joined_at is not None:
        fields["joinedAt"] = None  # of an attempt before this one
    if status.answer is not None:
        fields["answer"] = None
    return fields


def answered(answer: str) -> Fields:
    """The edge has answered the offer."""
    return {"answer": answer}


def joined(status: SessionStatus, at: datetime) -> Fields:
    """The agent is in the call."""
    return {"joinedAt": at, "conditions": _with(status.conditions, JOINED, True, "InCall", at)}


def close_requested() -> Fields:
    """The pod's own code wants its end: the reason stands before the end does, whatever becomes of the pod."""
    return {"reason": EndReason.CLOSE_REQUESTED}


def closing(status: SessionStatus, at: datetime) -> Fields:
    """The agent is taking its time to leave."""
    return {"phase": Phase.CLOSING, "conditions": _with(status.conditions, READY, False, "Leaving", at)}


def ended(status: SessionStatus, reason: EndReason, message: str, at: datetime) -> Fields:
    """Nothing follows."""
    fields: Fields = {
        "phase": Phase.FAILED if reason in FAILURES else Phase.CLOSED,
        "reason": reason,
        "endedAt": at,
        "conditions": _over(status.conditions, reason.value, at),
    }
    if message:
        fields["message"] = message
    if status.answer is not None:
        fields["answer"] = None  # nobody will come by it any more
    if status.checkpoint is not None:
        fields["checkpoint"] = None
    return fields


def figures(metrics: SessionMetrics | None, at: datetime) -> Fields:
    """Fresh metrics; nothing when the agent could not give any."""
    return {} if metrics is None else {"metrics": metrics, "metricsGeneratedAt": at}


def returned(status: SessionStatus, at: datetime, message: str) -> Fields:
    """The pod gives the session back unstarted."""
    conditions = _with(status.conditions, SCHEDULED, False, WaitReason.RETURNED.value, at, message)
    return {"podName": None, "podUID": None, "phase": Phase.PENDING, "conditions": conditions}


def moved(status: SessionStatus, record: LastAttempt) -> Fields:
    """The pod gives back what has run in it: the agent has left, and another pod goes on."""
    at, why = record.ended_at, record.reason.value
    conditions = _over(status.conditions, why, at)
    fields: Fields = {
        "podName": None,
        "podUID": None,
        "phase": Phase.PENDING,
        "conditions": _with(conditions, SCHEDULED, False, why, at, record.message),
        "lastAttempt": record,
        "startedAt": None,
        "joinedAt": None,
    }
    if status.answer is not None:
        fields["answer"] = None
    return fields


def _over(conditions: Conditions, reason: str, at: datetime) -> Conditions:
    """There is no agent any more."""
    for type_ in (READY, JOINED):
        if meta.find(conditions, type_) is not None:
            conditions = _with(conditions, type_, False, reason, at)
    return conditions


def _with(conditions: Conditions, type_: str, holds: bool, reason: str, at: datetime, message: str = "") -> Conditions:
    status = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    new = Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=at)
    return meta.merged(conditions, new)
