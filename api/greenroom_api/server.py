"""The HTTP server around an application: one process, its socket, its signals, the order of its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import uvicorn

from greenroom_api.app import lifespan
from greenroom_api.wire import GatheringProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

logger = logging.getLogger("greenroom.api")

_KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection: it is theirs to close it. Where the server does so
first, it may do it just when the next request is sent, which then fails."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens as soon as the server has started, so that nobody connects before. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Server(uvicorn.Server):
    """Serves an application that has been equipped, and its backend with it.

    SIGTERM: the backend leaves at once, `drained` is awaited while requests are answered on, then the server stops.
    SIGINT, or a second signal, stops it at once; any signal does while it is still starting.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        shutdown_seconds: float,
        access_log: bool = False,
        drained: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        config = uvicorn.Config(
            Housed(app),
            http=GatheringProtocol,
            log_config=None,
            access_log=access_log,
            lifespan="on",
            timeout_graceful_shutdown=max(1, round(shutdown_seconds)),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        super().__init__(config)
        self._app = app
        self._drained = drained
        self._draining: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._interrupted = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._serving = asyncio.current_task()
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike the original, this does not raise the signal again after the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Before it stops listening it tells the backend to leave, so that those who wait get their answer."""
        logger.info("leaving")
        self._app.state.backend.leave()
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        await super().shutdown(sockets)

    def _signalled(self, number: int) -> None:
        if not self.started and self._serving is not None:
            self._interrupted = True
            self._serving.cancel()
        elif number == signal.SIGTERM and self._drained is not None and self._draining is None and not self.should_exit:
            self._app.state.backend.leave()
            self._draining = asyncio.create_task(self._drain(), name="drain")
        else:
            self.handle_exit(number, None)

    async def _drain(self) -> None:
        assert self._drained is not None
        try:
            await self._drained()
        except Exception:
            logger.exception("the drain failed")
        self.should_exit = True


class Housed:
    """ASGI: enters the application's backend at the end of its start-up where its own lifespan has not done so."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as backend:

            async def sending(message: Message) -> None:
                if message["type"] == "lifespan.startup.complete":
                    await backend.enter_async_context(lifespan(self._app))
                await send(message)

            async def receiving() -> Message:
                message = await receive()
                if message["type"] == "lifespan.shutdown":
                    await backend.aclose()
                return message

            await self._app(scope, receiving, sending)
