"""Bodies that are ready to send: no second pass through a model for what the types already guarantee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Response

if TYPE_CHECKING:
    from greenroom_api.backend import SessionInfo

_encoder = msgspec.json.Encoder()


def json_answer(value: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(value), status, media_type="application/json")


def identity(session: SessionInfo) -> dict[str, Any]:
    """The three fields that every single session is answered with."""
    return {
        "session_id": session.session_id,
        "call_id": session.call_id,
        "session_started_at": session.session_started_at,
    }
