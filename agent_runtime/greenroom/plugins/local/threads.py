"""Threads for engines that compute: few, shared by all sessions of a process, off the event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from greenroom.agent.cancellation import outlast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class EngineThreads:
    """At most `count` pieces of work at a time; more wait in order. Threads start with the first work."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"greenroom-{name}")

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """The result of `work(*arguments)`.

        A cancelled caller waits for the end of the work, so that nobody takes an engine that still computes.
        """
        inside = copy_context()  # what the work logs is logged as the caller's session
        return await outlast(asyncio.get_running_loop().run_in_executor(self._pool, inside.run, work, *arguments))


LISTENING = EngineThreads("stt", max(2, os.cpu_count() or 2))
SPEAKING = EngineThreads("tts", 1)  # one sentence after the other: a hundredth of real time each
LOADING = EngineThreads("load", 1)
