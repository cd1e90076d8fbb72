"""Headers for browsers: what a page may do with our answers, and whose pages may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Where an answer does not say otherwise itself."""


class Guarded:
    """ASGI middleware: no answer is guessed at, framed, kept by a cache, or told of to another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(item for item in _ALWAYS if item[0] not in given)]
            await send(message)

        await self._app(scope, receive, guarded)


def allow_origins(app: FastAPI, origins: str) -> None:
    """Lets pages of these origins, between commas, ask with a token; never with a user's cookies."""
    allowed = [origin for part in origins.split(",") if (origin := part.strip())]
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Prefer"],
            expose_headers=["Greenroom-Close-Token", "Location", "Preference-Applied", "Retry-After"],
        )
