"""The backend's own tasks: all in one group, none lost, none able to take the others down with it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from greenroom_core.clock import Clock

T = TypeVar("T")

logger = logging.getLogger("greenroom.api.tasks")

_RESTART_SECONDS = 1.0


class Tasks:
    """Work that ends by itself, and services that run until the end. ``open`` first, ``close`` last, in one task."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._group = asyncio.TaskGroup()
        self._work: set[asyncio.Task[object]] = set()
        self._services: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        await self._group.__aenter__()

    def serve(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Runs `run` until `close`, again after an error that it should have handled itself."""
        self._services.append(self._group.create_task(self._kept_up(name, run), name=name))

    def work(self, coroutine: Coroutine[None, None, T]) -> asyncio.Task[T | Exception]:
        """A task whose result may be the exception that it met; whoever awaits it should shield it."""
        task = self._group.create_task(_caught(coroutine))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def background(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[Exception | None]:
        """Work that nobody need await: an error is told to the log."""
        return self.work(_told(coroutine))

    async def close(self, within_seconds: float) -> None:
        """Lets work end by itself for so long, then cancels it, then the services."""
        with suppress(TimeoutError):
            async with self._clock.timeout(within_seconds):
                while self._work:
                    await asyncio.wait(tuple(self._work))
        for task in (*self._work, *self._services):
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _kept_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception:
                logger.exception("%s stopped: starting it again", name)
            await self._clock.sleep(_RESTART_SECONDS)


async def _told(coroutine: Coroutine[None, None, None]) -> None:
    try:
        await coroutine
    except Exception:
        logger.exception("background work failed")


async def _caught(coroutine: Coroutine[None, None, T]) -> T | Exception:
    try:
        return await coroutine
    except Exception as error:
        return error
