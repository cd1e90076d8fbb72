"""What routes ask for before they run: the backend, a well-formed call id, permission, the body.

:class:`Permissions` holds the dependencies that decide who may do what: each may take `call_id` and any dependency of
its own; an exception or False denies. The `can_…` functions stand where nobody gave another, and can be replaced
through `app.dependency_overrides`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Header, Path, Request
from pydantic import ValidationError

from greenroom_api import problems
from greenroom_api.schemas import StartAsked
from greenroom_core.model.session import CALL_ID_MAX_LENGTH, CALL_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import params

    from greenroom_api.backend import SessionBackend

BODY_LIMIT_BYTES = 256 * 1024

_CALL_ID = re.compile(CALL_ID_PATTERN)
_NOTHING_ASKED = StartAsked()


def backend(request: Request) -> SessionBackend:
    """The application's backend. Called by routes themselves: a dependency of FastAPI's costs more than the look."""
    found: SessionBackend = request.app.state.backend
    return found


async def call_id(call_id: Annotated[str, Path(description="`^[a-z0-9_-]+$`, at most 255 characters")]) -> str:
    # fullmatch, since `$` alone lets a trailing line feed pass.
    if len(call_id) > CALL_ID_MAX_LENGTH or not _CALL_ID.fullmatch(call_id):
        raise problems.bad_call_id()
    return call_id


async def can_start_session(call_id: str) -> bool:
    """Allows all."""
    return True


async def can_close_session(call_id: str) -> bool:
    """Allows all."""
    return True


async def can_view_session(call_id: str) -> bool:
    """Allows all. Listings of one call ask it, too."""
    return True


async def can_view_metrics(call_id: str) -> bool:
    """Allows all."""
    return True


async def can_list_sessions() -> bool:
    """Allows all. For the listing over all calls, which has no call id to ask about."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """FastAPI dependencies, sync or async, by what they allow."""

    can_start_session: Callable[..., Any] = can_start_session
    can_close_session: Callable[..., Any] = can_close_session
    can_view_session: Callable[..., Any] = can_view_session
    can_view_metrics: Callable[..., Any] = can_view_metrics
    can_list_sessions: Callable[..., Any] = can_list_sessions


def on_call(permission: Callable[..., Any]) -> Sequence[params.Depends]:
    """What a route of one call depends on: the id is looked at first, so no permission ever sees a malformed one."""
    return [Depends(call_id), *asked_of(permission)]


def asked_of(permission: Callable[..., Any]) -> Sequence[params.Depends]:
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


def wants_no_wait(prefer: Sequence[str] | None) -> bool:
    """Whether a `Prefer` header (RFC 7240) says `respond-async`."""
    preferences = (part for line in prefer or () for part in line.split(","))
    return any(part.partition(";")[0].strip().lower() == "respond-async" for part in preferences)


def caller(request: Request) -> str:
    """Whose Idempotency-Keys these are: what a permission has left in `request.state.caller`, if anything."""
    return str(getattr(request.state, "caller", ""))


CallId = Annotated[str, Depends(call_id)]
Prefer = Annotated[
    list[str] | None, Header(description="`respond-async`: the answer is 202 at once, whatever becomes of the agent.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key gives the same session, for as long as that session is kept.",
    ),
]
