"""The HTTP server around an application: one process, its socket, its signals, the order of its end."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from greenroom_api.access_log import keep_tokens_out
from greenroom_api.app import lifespan
from greenroom_api.patience import Patience
from greenroom_api.wire import GatheringProtocol, http_connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

logger = logging.getLogger("greenroom.api")

_TICKS_BETWEEN_LOOKS = 10
"""A tick of the server is a tenth of a second."""

_CLOSE = (b"connection", b"close")

_LAST_SECONDS = 5.0
"""Of the time that requests under way have: starts that still wait for a slot are withdrawn and answered in it."""

_FILES_BESIDE = 256
"""Open files that are no client's connection: to the API server, libraries, logs."""


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


def connections_possible(wanted: int) -> int:
    """As many as the process may have files for, whose limit is raised as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + _FILES_BESIDE:
        soft = wanted + _FILES_BESIDE if hard == resource.RLIM_INFINITY else min(wanted + _FILES_BESIDE, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _FILES_BESIDE))


class Server(uvicorn.Server):
    """Serves an application that has been equipped, and its backend with it.

    SIGTERM: it is no longer ready, but answers on for `drain_seconds`, since whoever leads requests here has to notice
    first; every answer asks the client for another connection next time. Then it stops listening, and what is under
    way has `shutdown_seconds`. With `drained` it is the backend that leaves at once, and the drain lasts as long as
    that takes. SIGINT, or a second signal, stops it at once; any signal does while it is still starting.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        shutdown_seconds: float,
        drain_seconds: float = 0.0,
        patience: Patience | None = None,
        access_log: bool = False,
        drained: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        patience = patience or Patience()
        patience = replace(patience, connections=connections_possible(patience.connections))
        protocol: Any = partial(GatheringProtocol, patience=patience)
        config = uvicorn.Config(
            Housed(app),
            http=protocol,
            log_config=None,
            access_log=access_log,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=max(1, round(shutdown_seconds)),
            timeout_keep_alive=round(patience.idle_seconds),
        )
        super().__init__(config)
        keep_tokens_out()
        self._app = app
        self._shutdown_seconds = shutdown_seconds
        self._drain_seconds = drain_seconds
        self._drained = drained
        self._draining: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._interrupted = False
        self._asked_to_leave = False

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

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_BETWEEN_LOOKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in http_connections(self.server_state.connections):
                connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Before its time is over it tells the backend to leave, so that those who wait get their answer."""
        logger.info("leaving")
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        waits_on = self._asked_to_leave and self._drained is None
        seconds = max(0.0, self._shutdown_seconds - _LAST_SECONDS) if waits_on else 0.0
        last = asyncio.get_running_loop().call_later(seconds, self._app.state.backend.leave)
        try:
            await super().shutdown(sockets)
        finally:
            last.cancel()

    def _signalled(self, number: int) -> None:
        if not self.started and self._serving is not None:
            self._interrupted = True
            self._serving.cancel()
        elif number == signal.SIGTERM and not self._asked_to_leave and not self.should_exit:
            self._asked_to_leave = True
            self._begin_to_leave()
        else:
            self._app.state.backend.leave()
            self.handle_exit(number, None)

    def _begin_to_leave(self) -> None:
        self._app.state.leaving = True
        if self._drained is not None:
            self._app.state.backend.leave()
            self._draining = asyncio.create_task(self._drain(), name="drain")
            return
        logger.info("asked to leave: answering on for %g s", self._drain_seconds)
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]  # made anew once a second
        for connection in http_connections(self.server_state.connections):
            connection.let_go()
        asyncio.get_running_loop().call_later(self._drain_seconds, self.handle_exit, signal.SIGTERM, None)

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
