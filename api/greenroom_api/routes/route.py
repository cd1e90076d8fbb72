"""Routes of one call: the id in their path is looked at before any permission or body.

Endpoints on them take the request alone and say in `openapi_extra` what they read of it: what FastAPI solves for each
request costs more than all the rest of a short answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute

from greenroom_api import problems
from greenroom_core.model.session import CALL_ID_MAX_LENGTH, CALL_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_CALL_ID = re.compile(CALL_ID_PATTERN)

CALL_ID = {
    "name": "call_id",
    "in": "path",
    "required": True,
    "description": f"`{CALL_ID_PATTERN}`, at most {CALL_ID_MAX_LENGTH} characters",
    "schema": {"type": "string", "pattern": CALL_ID_PATTERN, "maxLength": CALL_ID_MAX_LENGTH},
}
SESSION_ID = {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}


def call_id(request: Request) -> str:
    """That of the path. Raises the answer to a malformed one."""
    found: str = request.path_params["call_id"]
    # fullmatch, since `$` alone lets a trailing line feed pass.
    if len(found) > CALL_ID_MAX_LENGTH or not _CALL_ID.fullmatch(found):
        raise problems.bad_call_id()
    return found


class CallRoute(APIRoute):
    """No permission ever sees a malformed call id."""

    def get_route_handler(self) -> Handler:
        solved = super().get_route_handler()

        async def handle(request: Request) -> Response:
            call_id(request)
            return await solved(request)

        return handle


class OpenRoute(CallRoute):
    """One that nobody guards: its endpoint is called at once, unless the application overrides a dependency.

    Only for a router that brings no dependencies of its own into it.
    """

    def get_route_handler(self) -> Handler:
        solved = super().get_route_handler()
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            if request.app.dependency_overrides:
                return await solved(request)
            call_id(request)
            answer: Response = await endpoint(request)
            return answer

        return handle
