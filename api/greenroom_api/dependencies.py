"""What routes ask for before they run: the backend, permission, the body, headers.

:class:`Permissions` holds the dependencies that decide who may do what: each may take `call_id` and any dependency of
its own; an exception or False denies. The `can_…` functions stand where nobody gave another, and can be replaced
through `app.dependency_overrides`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends
from pydantic import ValidationError

from greenroom_api import problems
from greenroom_api.schemas import StartAsked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import Request, params

    from greenroom_api.backend import SessionBackend

BODY_LIMIT_BYTES = 256 * 1024
KEY_MAX_LENGTH = 255
WAIT_SECONDS = 10.0
WAIT_AT_MOST_SECONDS = 30

_NOTHING_ASKED = StartAsked()
_wait_seconds = msgspec.json.Decoder(Annotated[float, msgspec.Meta(ge=0, le=WAIT_AT_MOST_SECONDS)])


def backend(request: Request) -> SessionBackend:
    """The application's backend. Called by routes themselves: a dependency of FastAPI's costs more than the look."""
    found: SessionBackend = request.app.state.backend
    return found


async def can_start_session() -> bool:
    """Allows all."""
    return True


async def can_close_session() -> bool:
    """Allows all."""
    return True


async def can_view_session() -> bool:
    """Allows all. Listings of one call ask it, too."""
    return True


async def can_view_metrics() -> bool:
    """Allows all."""
    return True


async def can_list_sessions() -> bool:
    """Allows all. For the listing over all calls, which has no call id to ask about."""
    return True


ALLOWING_ALL = (can_start_session, can_close_session, can_view_session, can_view_metrics, can_list_sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """FastAPI dependencies, sync or async, by what they allow."""

    can_start_session: Callable[..., Any] = can_start_session
    can_close_session: Callable[..., Any] = can_close_session
    can_view_session: Callable[..., Any] = can_view_session
    can_view_metrics: Callable[..., Any] = can_view_metrics
    can_list_sessions: Callable[..., Any] = can_list_sessions


def asked_of(permission: Callable[..., Any]) -> Sequence[params.Depends]:
    """What a route depends on that this permission guards."""
    verdict = Depends(permission)

    async def allowed(answer: Any = verdict) -> None:
        if answer is False:
            raise problems.denied()

    return [Depends(allowed)]


async def start_asked(request: Request) -> StartAsked:
    """The body, which may be absent. Strict JSON: no NaN, no broken text, whatever its content type is called."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise problems.too_large(BODY_LIMIT_BYTES)
    if not body.strip():
        return _NOTHING_ASKED
    try:
        asked = msgspec.json.decode(body)
        return _NOTHING_ASKED if asked is None else StartAsked.model_validate(asked)
    except ValidationError as error:
        raise problems.bad_body(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise problems.not_json(str(error)) from error
    except RecursionError as error:
        raise problems.not_json("too deeply nested") from error


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= KEY_MAX_LENGTH:
        raise problems.bad_header("Idempotency-Key", f"must have 1 to {KEY_MAX_LENGTH} characters")
    return key


def wants_no_wait(request: Request) -> bool:
    """Whether a `Prefer` header (RFC 7240) says `respond-async`."""
    lines = request.headers.getlist("prefer")
    preferences = (part for line in lines for part in line.split(","))
    return any(part.partition(";")[0].strip().lower() == "respond-async" for part in preferences)


def wait_seconds(request: Request) -> float:
    """How long the client will wait for what may be there in a moment: a JSON number in the query."""
    asked = request.query_params.get("wait_seconds")
    if asked is None:
        return WAIT_SECONDS
    try:
        seconds: float = _wait_seconds.decode(asked)
    except msgspec.DecodeError as error:
        raise problems.bad_query("wait_seconds", f"must be a number from 0 to {WAIT_AT_MOST_SECONDS}") from error
    return seconds


def caller(request: Request) -> str:
    """Whose Idempotency-Keys these are: what a permission has left in `request.state.caller`, if anything."""
    return str(getattr(request.state, "caller", ""))
