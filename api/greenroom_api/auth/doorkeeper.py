"""Stands before every route of sessions: who asks, how often, and whether they may."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from fastapi import Request  # FastAPI reads annotations at run time

from greenroom_api import problems
from greenroom_api.audit import where
from greenroom_api.auth.gate import Act, Undecided, Unrecognised
from greenroom_api.dependencies import Permissions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_api.auth.close_tokens import CloseTokens
    from greenroom_api.auth.gate import Gate
    from greenroom_api.auth.throttle import Throttle

logger = logging.getLogger("greenroom.api.auth")

LONGEST_TOKEN = 16_384
BY_CLOSE_TOKEN = "close-token"


class Doorkeeper:
    """Makes the permission checks of an application."""

    def __init__(self, gate: Gate, close_tokens: CloseTokens, throttle: Throttle | None = None) -> None:
        self.close_tokens = close_tokens
        self._gate = gate
        self._throttle = throttle

    def permissions(self) -> Permissions:
        return Permissions(
            can_start_session=self._check(Act.START),
            can_close_session=self._check(Act.CLOSE),
            can_view_session=self._check(Act.VIEW),
            can_view_metrics=self._check(Act.METRICS),
            can_list_sessions=self._check(Act.LIST),
        )

    def _check(self, act: Act) -> Callable[[Request], Awaitable[None]]:
        async def check(request: Request) -> None:
            if act is Act.CLOSE and request.method == "POST" and "token" in request.query_params:
                self._let_close(request)
            else:
                await self._let(request, act)

        return check

    async def _let(self, request: Request, act: Act) -> None:
        try:
            caller = await self._gate.caller(_bearer(request))
            request.state.caller = caller.name
            self._slow_down(caller.name)
            allowed = await self._gate.may(caller, act)
        except Unrecognised as why:
            logger.info("%s: 401: %s", where(request.scope), why)
            raise problems.unrecognised(str(why)) from None
        except Undecided as why:
            logger.warning("%s: nobody could say who asks: %s", where(request.scope), why)
            raise problems.undecided() from None
        if not allowed:
            raise problems.denied()

    def _let_close(self, request: Request) -> None:
        """The session's own token stands for its caller, on this one path."""
        path = request.path_params
        request.state.caller = BY_CLOSE_TOKEN
        if not self.close_tokens.fits(request.query_params["token"], path["call_id"], path["session_id"]):
            raise problems.unrecognised("the token is not that of this session")

    def _slow_down(self, caller: str) -> None:
        if self._throttle is not None and (seconds := self._throttle.wait_seconds(caller)) > 0:
            raise problems.too_often(math.ceil(seconds))


def _bearer(request: Request) -> str:
    """The token of the one Authorization header. Raises Unrecognised."""
    headers = request.headers.getlist("authorization")
    if not headers:
        raise Unrecognised("send Authorization: Bearer <token>")
    scheme, _, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not token:
        raise Unrecognised("the Authorization header must be `Bearer <token>`, once")
    if len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise Unrecognised("the token is not of the form of one")
    return token
