"""One line for each change that somebody asked for: who, what, of which call and session, and what came of it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("greenroom.audit")

_PLAIN = re.compile(r"[A-Za-z0-9._:@/-]{1,300}")
_LONGEST = 300
_CHANGES = {"POST": "start", "DELETE": "close"}


def where(scope: Mapping[str, Any]) -> str:
    """Method and path of a request, for the log: one line, whatever is in them, and no query."""
    return f"{scope['method']} {quote(scope['path'])}"


class Audited:
    """ASGI middleware. The routes leave `caller` and `session_id` in the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _CHANGES:
            await self._app(scope, receive, send)
            return
        status = 0  # where the client went away

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if "path_params" in scope and "call_id" in scope["path_params"]:
                _tell(scope, status)


def _tell(scope: Mapping[str, Any], status: int) -> None:
    path, state = scope["path_params"], scope.get("state", {})
    act = "close" if "session_id" in path else _CHANGES[scope["method"]]
    fields = {
        "caller": str(state.get("caller", "")),
        "act": act,
        "call": path["call_id"],
        "session": str(path.get("session_id") or state.get("session_id", "")),
        "status": status,
        "client": (scope.get("client") or ("",))[0],
    }
    text = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
    logger.info("%s", text, extra=fields)


def _quoted(value: object) -> str:
    """No value can end a line or pass for another field."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else ascii(text[:_LONGEST])
