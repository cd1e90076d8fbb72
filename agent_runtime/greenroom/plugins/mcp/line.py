"""One connection to a server, held by a task of its own: the SDK wants it closed by the task that opened it, and ends
that task when the connection breaks."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager

logger = logging.getLogger("greenroom.plugins.mcp")

T = TypeVar("T")

CONNECTION_CLOSED = -32000
"""The SDK's code for a request whose connection went away."""


class MCPServerError(RuntimeError):
    """A server cannot be reached, or went away."""


class Line:
    """`open`, then requests, then `close`; each once but requests."""

    def __init__(self, connecting: AbstractAsyncContextManager[Any], name: str) -> None:
        self._name = name
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._holding = asyncio.create_task(self._hold(connecting), name=f"mcp {name}")
        self._holding.add_done_callback(self._note_loss)

    @property
    def over(self) -> bool:
        return self._holding.done() or self._leave.is_set()

    async def open(self) -> Any:
        """The SDK's client. Raises :class:`MCPServerError`."""
        try:
            await asyncio.wait((self._opened, self._holding), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._holding.cancel()
            await asyncio.wait((self._holding,))
            raise
        if not self._opened.done():
            raise self._lost("cannot be reached")
        return self._opened.result()

    async def request(self, sending: Coroutine[Any, Any, T]) -> T:
        """The answer to a request to the client. Raises :class:`MCPServerError` when the connection breaks."""
        asking = asyncio.ensure_future(sending)
        try:
            await asyncio.wait((asking, self._holding), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait((asking,))
        if _failed_with_connection(asking):
            await self.close()
            raise self._lost("went away")
        return asking.result()

    async def close(self) -> None:
        """Returns when the connection is closed and a server that was started for it has ended."""
        self._leave.set()
        await asyncio.wait((self._holding,))

    async def _hold(self, connecting: AbstractAsyncContextManager[Any]) -> None:
        async with connecting as client:
            self._opened.set_result(client)
            await self._leave.wait()

    def _note_loss(self, holding: asyncio.Task[None]) -> None:
        """It may break while nobody asks for anything."""
        error = None if holding.cancelled() else holding.exception()
        if error is not None and self._opened.done():
            logger.warning("%s", self._lost("went away"))

    def _lost(self, what: str) -> MCPServerError:
        error = None if self._holding.cancelled() else self._holding.exception()
        why = f": {_described(error)}" if error is not None else ""
        return MCPServerError(f"{self._name} {what}{why}")


def _failed_with_connection(asking: asyncio.Future[Any]) -> bool:
    """Whether there is no answer because there is no connection any more."""
    return asking.cancelled() or getattr(asking.exception(), "code", None) == CONNECTION_CLOSED


def _described(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".rstrip(": ")
