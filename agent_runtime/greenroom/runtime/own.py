"""A launcher's own starts as objects and verdicts: what is created, and what its state says to who asked. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from greenroom.errors import (
    InvalidParameters,
    MaxConcurrentSessionsExceeded,
    MaxSessionsPerCallExceeded,
    NoFreeSlot,
    StartAbandoned,
)
from greenroom_core.kube.kinds import encode
from greenroom_core.kube.patches import versioned_status
from greenroom_core.model import names
from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import AgentSession, SessionSpec

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom.hosts import Wanted
    from greenroom.recipe import Recipe
    from greenroom.runtime.settings import RuntimeSettings

WITHDRAWN = "withdrawn by the pod that started it, before it was bound"

_LIMIT = re.compile(r"of (\d+)$")


def check(wanted: Wanted, recipe: Recipe) -> None:
    """Raises InvalidParameters for parameters that the agent file does not take, or no object can hold."""
    recipe.arguments(wanted.parameters)
    try:
        encode(wanted.parameters)
    except TypeError as error:
        raise InvalidParameters(f"parameters become part of an object, so they must be JSON: {error}") from error


def session_object(wanted: Wanted, name: str, settings: RuntimeSettings) -> AgentSession:
    """What to create: for this pod alone, and with its finalizer from the start, as for those that come by REST."""
    return AgentSession(
        api_version=names.API_VERSION,
        kind="AgentSession",
        metadata=ObjectMeta(
            name=name,
            namespace=settings.namespace,
            labels={names.STARTED_BY: settings.pod_uid},
            finalizers=(names.LEAVE_CALL,),
        ),
        spec=SessionSpec(
            call_id=wanted.call_id,
            call_type=wanted.call_type,
            runtime=settings.runtime,
            pod_name=settings.pod_name,
            parameters=dict(wanted.parameters),
            limits=wanted.limits,
        ),
    )


def start_deadline_seconds(wanted: Wanted, settings: RuntimeSettings) -> float:
    """How long it may wait for a slot: the session's own, or as the AgentRuntime said when the pod was made."""
    return wanted.limits.start_deadline_seconds or settings.start_deadline_seconds


def withdrawal(session: AgentSession, at: datetime) -> dict[str, Any]:
    """The merge patch that ends a session that no pod holds, unless it has changed since: while this pod may write it,
    the operator may, too."""
    fields = {"phase": Phase.CLOSED, "reason": EndReason.CLOSE_REQUESTED, "message": WITHDRAWN, "endedAt": at}
    return versioned_status(session.metadata.resource_version, fields)


def refusal(session: AgentSession) -> Exception:
    """What a session that ended before this pod took it up is to who asked for it."""
    message = session.status.message or ""
    match session.status.reason:
        case EndReason.MAX_SESSIONS_PER_CALL:
            return MaxSessionsPerCallExceeded(_limit(message))
        case EndReason.MAX_CONCURRENT_SESSIONS:
            return MaxConcurrentSessionsExceeded(_limit(message))
        case EndReason.START_DEADLINE | EndReason.NO_CAPACITY:
            return NoFreeSlot(message)
        case EndReason.INVALID_SPEC:
            return InvalidParameters(message)
        case reason:
            return StartAbandoned(f"the session ended before its agent was built: {reason} {message}".rstrip())


def leaves_no_record(verdict: BaseException) -> bool:
    """The caller was refused and has been told so; any other end is kept in the object."""
    return not isinstance(verdict, StartAbandoned)


def _limit(message: str) -> int:
    """The number at the end of the operator's message."""
    found = _LIMIT.search(message)
    return int(found[1]) if found else 0
