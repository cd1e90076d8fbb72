"""Threads for engines that compute: few, shared by all sessions of a process, off the event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from greenroom.agent.cancellation import outlast

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")


class EngineThreads:
    """At most `count` pieces of work at a time; more wait in order. Threads start with the first work."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"greenroom-{name}")
        self._count = count
        self._given: set[Future[Any]] = set()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for work given to :meth:`run_or_drop`."""
        return not self._given

    @property
    def free(self) -> bool:
        """Whether such work would begin at once."""
        return len(self._given) < self._count

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """The result of `work(*arguments)`.

        A cancelled caller waits for the end of the work, so that nobody takes an engine that still computes.
        """
        inside = copy_context()  # what the work logs is logged as the caller's session
        return await outlast(asyncio.get_running_loop().run_in_executor(self._pool, inside.run, work, *arguments))

    async def run_or_drop(self, work: Callable[..., T], *arguments: object) -> T:
        """As :meth:`run`; but work that has not begun when the caller is cancelled never does."""
        inside = copy_context()
        job = self._pool.submit(inside.run, work, *arguments)
        waiting = asyncio.wrap_future(job)
        self._given.add(job)
        try:
            await asyncio.wait((waiting,))
        except asyncio.CancelledError:
            job.cancel()
            with suppress(Exception):
                await outlast(waiting)
            raise
        finally:
            self._given.discard(job)
        return waiting.result()


TRANSCRIBER_COUNT = max(2, min(4, os.cpu_count() or 2))

LISTENING = EngineThreads("stt", max(2, os.cpu_count() or 2))
SPEAKING = EngineThreads("tts", 1)  # one sentence after the other: a hundredth of real time each
TRANSCRIBING = EngineThreads("whisper", TRANSCRIBER_COUNT)
LOADING = EngineThreads("load", 1)
