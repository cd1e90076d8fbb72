"""Every error that a client can get: its status, its text, its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from fastapi import HTTPException

from greenroom_api import backend
from greenroom_api.schemas import Problem

if TYPE_CHECKING:
    from pydantic import ValidationError

RETRY_LIMIT_SECONDS = 5
"""After a limit: a call has to end first."""

RETRY_SLOT_SECONDS = 5
"""After a wait for a slot: a session has to end, or a pod to come."""

RETRY_OUTAGE_SECONDS = 1
"""After an outage, or at another replica."""

_LIMITS = {
    backend.Limit.CONCURRENT_SESSIONS: "Reached maximum number of concurrent sessions",
    backend.Limit.SESSIONS_PER_CALL: "Reached maximum number of sessions for this call",
}

Failure = (
    backend.LimitReached
    | backend.NoSlot
    | backend.Full
    | backend.Leaving
    | backend.EndedEarly
    | backend.AgentFailed
    | backend.RequestRefused
    | backend.KeyReused
)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` for the OpenAPI document."""
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in statuses}


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same as they stand in a document that is made already."""
    body = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {status: {"description": _MEANINGS[status], "content": body} for status in statuses}


_MEANINGS = {
    400: "The call id is not of the form ^[a-z0-9_-]+$",
    401: "Who asks is not known",
    403: "Permission denied",
    404: "There is no such session, or it has ended",
    409: "The session was closed by somebody before its agent was built",
    413: "The body is too large",
    422: "The request is invalid",
    429: "A limit is reached, or no slot is free where nobody waits for one, or this caller asks too often; "
    "no agent was started",
    500: "The agent could not be started",
    503: "Not now; no agent was started. Try again after the seconds in Retry-After",
}


def start_failed(outcome: Failure) -> HTTPException:
    """What a start that did not come to an agent is answered with."""
    match outcome:
        case backend.LimitReached(limit):
            return _problem(429, _LIMITS[limit], RETRY_LIMIT_SECONDS)
        case backend.NoSlot():
            return _problem(503, "No free slot came in time; no agent was started", RETRY_SLOT_SECONDS)
        case backend.Full():
            return _problem(
                429, "No slot is free, and nobody waits for one here; no agent was started", RETRY_SLOT_SECONDS
            )
        case backend.Leaving():
            return not_ready()
        case backend.EndedEarly():
            return _problem(409, "Session was closed before it started")
        case backend.AgentFailed():
            return _problem(500, "Failed to start agent")
        case backend.RequestRefused(message):
            return _problem(422, message)
        case backend.KeyReused():
            return _problem(422, "Idempotency-Key was used before with another request")
        case _:
            assert_never(outcome)


def not_ready() -> HTTPException:
    return _problem(503, "Server is not ready to accept requests", RETRY_OUTAGE_SECONDS)


def unavailable() -> HTTPException:
    return _problem(503, "The sessions cannot be reached now; try again", RETRY_OUTAGE_SECONDS)


def bad_call_id() -> HTTPException:
    return _problem(400, "Invalid call_id: it must match ^[a-z0-9_-]+$ and have at most 255 characters")


def denied() -> HTTPException:
    return _problem(403, "Permission denied")


def unrecognised(why: str) -> HTTPException:
    return HTTPException(401, f"Authorization required: {why}", {"WWW-Authenticate": "Bearer"})


def undecided() -> HTTPException:
    return _problem(503, "Whoever knows who you are cannot be asked now; try again", RETRY_OUTAGE_SECONDS)


def too_often(retry_after_seconds: int) -> HTTPException:
    return _problem(429, "Too many requests of this caller", retry_after_seconds)


def no_session(session_id: str) -> HTTPException:
    return _problem(404, f"Session with id '{session_id}' not found")


def too_large(limit_bytes: int) -> HTTPException:
    return _problem(413, f"The body is larger than {limit_bytes} bytes")


def not_json(problem: str) -> HTTPException:
    return HTTPException(422, [{"type": "json_invalid", "loc": ["body"], "msg": f"Body is not JSON: {problem}"}])


def bad_body(error: ValidationError) -> HTTPException:
    """Names each field and what is wrong with it. Values are left out: they may be private, or not even JSON."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    detail = [{"type": item["type"], "loc": ["body", *item["loc"]], "msg": item["msg"]} for item in found]
    return HTTPException(422, detail)


def bad_header(name: str, problem: str) -> HTTPException:
    return HTTPException(422, [{"type": "value_error", "loc": ["header", name], "msg": problem}])


def bad_query(name: str, problem: str) -> HTTPException:
    return HTTPException(422, [{"type": "value_error", "loc": ["query", name], "msg": problem}])


def _problem(status: int, detail: str, retry_after_seconds: int | None = None) -> HTTPException:
    headers = {"Retry-After": str(retry_after_seconds)} if retry_after_seconds is not None else None
    return HTTPException(status, detail, headers)
