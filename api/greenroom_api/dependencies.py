"""What routes ask for before they run: the backend, a well-formed call id, permission, the body.

The four `can_…` functions are there to be replaced through `app.dependency_overrides`: each may take `call_id` and
any dependency of its own; an exception or False denies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import Depends, Header, Path, Request
from pydantic import ValidationError

from greenroom_api import problems
from greenroom_api.schemas import StartAsked
from greenroom_core.model.session import CALL_ID_MAX_LENGTH, CALL_ID_PATTERN

if TYPE_CHECKING:
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


def _heed(allowed: object) -> None:
    if allowed is False:
        raise problems.denied()


async def may_start(allowed: Annotated[object, Depends(can_start_session)]) -> None:
    _heed(allowed)


async def may_close(allowed: Annotated[object, Depends(can_close_session)]) -> None:
    _heed(allowed)


async def may_view(allowed: Annotated[object, Depends(can_view_session)]) -> None:
    _heed(allowed)


async def may_view_metrics(allowed: Annotated[object, Depends(can_view_metrics)]) -> None:
    _heed(allowed)


async def may_list(allowed: Annotated[object, Depends(can_list_sessions)]) -> None:
    _heed(allowed)


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


CallId = Annotated[str, Depends(call_id)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key gives the same session, for as long as that session is kept.",
    ),
]
