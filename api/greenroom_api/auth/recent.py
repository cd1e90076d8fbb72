"""Answers of somebody slow, kept for some seconds. A question that is under way is not asked a second time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from greenroom_core.clock import Clock

V = TypeVar("V")

SIZE = 10_000


class Recent(Generic[V]):
    """At most `size` answers, each for `seconds(answer)`; the one that was used
    longest ago goes first. Errors are not kept."""

    def __init__(self, clock: Clock, seconds: Callable[[V], float], size: int = SIZE) -> None:
        self._clock = clock
        self._seconds = seconds
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[V, float]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Lock] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer for `key`; raises what `ask` raises."""
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock.boot():
            self._kept.move_to_end(key)
            return kept[0]
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                kept = self._kept.get(key)
                if kept is not None and kept[1] > self._clock.boot():
                    return kept[0]
                return self._keep(key, await ask())
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    def _keep(self, key: Hashable, answer: V) -> V:
        self._kept[key] = (answer, self._clock.boot() + self._seconds(answer))
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return answer
