"""Waiting for what the code of one loop decides, step by step."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock


class Moves:
    """Call :meth:`tell` after each step that somebody may wait for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moved = asyncio.Event()

    def tell(self) -> None:
        self._moved.set()

    async def until(self, done: Callable[[], bool], deadline: Callable[[], float] = lambda: math.inf) -> bool:
        """Whether `done` came true before `deadline`, a time of the boot clock that may move."""
        while not done():
            remaining = deadline() - self._clock.boot()
            if remaining <= 0:
                return False
            self._moved.clear()
            with suppress(TimeoutError):
                async with self._clock.timeout(remaining if remaining < math.inf else None):
                    await self._moved.wait()
        return True
