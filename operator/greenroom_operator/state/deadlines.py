"""When to look at which session again: one heap for all of them."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Deadlines:
    """At most one deadline a key; the last one set holds."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []
        self._current: dict[str, datetime] = {}

    def set(self, key: str, at: datetime) -> None:
        self._current[key] = at
        heapq.heappush(self._heap, (at, key))

    def discard(self, key: str) -> None:
        self._current.pop(key, None)

    def due(self, now: datetime) -> list[str]:
        """Takes out and returns every key whose time has come."""
        found = []
        while self._heap and (self._heap[0][0] <= now or self._stale(*self._heap[0])):
            at, key = heapq.heappop(self._heap)
            if not self._stale(at, key):
                del self._current[key]
                found.append(key)
        return found

    def next_at(self) -> datetime | None:
        while self._heap and self._stale(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _stale(self, at: datetime, key: str) -> bool:
        return self._current.get(key) != at
