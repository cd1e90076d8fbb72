"""An agent's stay in one call: entered at most once, left once, whoever wants which first.

Knows how the two exclude each other, and neither calls nor parts.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from greenroom.agent.cancellation import outlast
from greenroom.agent.components import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")


class Stay:
    """`leave` gives everything back; awaited once, its steps guard themselves. `name` gives the agent's, for errors."""

    def __init__(self, name: Callable[[], str], leave: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._name = name
        self._leave = leave
        self._clock = clock
        self._entering: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._joined = False
        self._settled = asyncio.Event()
        self.begun = False

    @property
    def over(self) -> bool:
        """It is ending, or has ended."""
        return self._leaving is not None

    @asynccontextmanager
    async def within(self, enter: Callable[[asyncio.TaskGroup], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
        """The block is in the call, which `enter` enters with its tasks in the group. RuntimeError if it was begun or
        is over, and when its end comes before it is entered."""
        if self.begun or self.over:
            raise RuntimeError(f"agent {self._name()} has joined a call or was closed: build another one")
        self.begun = True
        body_error: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._enter(enter(group))
                    yield
                except Exception as error:
                    body_error = error  # raised below as itself, not inside a group
                finally:
                    await self.end()
        except BaseExceptionGroup as crashed:
            if body_error is None:
                raise crashed.exceptions[0] from None
            logger.error("[%s] a part of the agent crashed as well", self._name(), exc_info=crashed)
        finally:
            await self.end()
        if body_error is not None:
            raise body_error

    async def joined(self) -> None:
        """Returns when the call has been entered. RuntimeError if the end came before."""
        await self._settled.wait()
        if not self._joined:
            raise RuntimeError(f"agent {self._name()} was closed before it had joined its call")

    async def end(self, *, waits: bool = True) -> None:
        """Leave the call wherever its joining stands. Each caller that `waits` returns when all is done; the leaving
        goes on when a caller is cancelled, who then waits for its end too."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._end(), name=f"{self._name()}-close")
        if waits:
            await outlast(self._leaving)

    async def _enter(self, entering: Coroutine[Any, Any, None]) -> None:
        """As a task of its own, so that the end can stop it wherever it stands."""
        self._entering = asyncio.create_task(entering, name=f"{self._name()}-enter")
        await asyncio.wait((self._entering,))
        if self._entering.cancelled():
            raise RuntimeError(f"agent {self._name()} was closed before it had joined its call")
        self._entering.result()
        self._joined = True
        self._settled.set()

    async def _end(self) -> None:
        await guarded(self._stop_entering(), "stop joining", self._clock)
        await self._leave()
        self._settled.set()

    async def _stop_entering(self) -> None:
        if self._entering is not None and not self._entering.done():
            self._entering.cancel()
            await asyncio.wait((self._entering,))
