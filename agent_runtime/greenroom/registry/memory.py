"""A store in the memory of one process: for a single node, and for several launchers that share the object.

Nothing in here waits, so that `put_within` is exact and seen by all at once. Not to be used from two threads.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from greenroom.registry.keys import folders
from greenroom.registry.store import Entry, SessionKVStore
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from greenroom_core.clock import Clock

_SPARE_PLACES = 64


class InMemorySessionKVStore(SessionKVStore):
    """Expired keys are never seen; they are also cleared away every `cleanup_interval` seconds.

    It counts its starts: the close that matches the first start clears it.
    """

    def __init__(self, *, cleanup_interval: float = 60.0, clock: Clock | None = None) -> None:
        if cleanup_interval <= 0:
            raise ValueError("cleanup_interval must be > 0")
        self._cleanup_interval = cleanup_interval
        self._clock = clock or SystemClock()
        self._values: dict[str, bytes] = {}
        self._expiries: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []  # each key at least once, at its expiry or earlier
        self._folders: dict[str, set[str]] = {}
        self._listeners: defaultdict[str, set[asyncio.Queue[bytes | None]]] = defaultdict(set)
        self._users = 0
        self._cleaning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._users += 1
        if self._cleaning is None:
            self._cleaning = asyncio.create_task(self._clean(), name="session-store-cleanup")

    async def close(self) -> None:
        self._users -= 1
        if self._users > 0:
            return
        self._users = 0
        if self._cleaning is not None:
            self._cleaning.cancel()
            with suppress(asyncio.CancelledError):
                await self._cleaning
            self._cleaning = None
        self._values.clear()
        self._expiries.clear()
        self._queue.clear()
        self._folders.clear()

    # --- what every store does ---

    async def set(self, key: str, value: bytes, ttl: float, *, only_if_exists: bool = False) -> None:
        self._expire()
        if not only_if_exists or key in self._values:
            self._write(key, value, ttl)

    async def mset(self, items: list[tuple[str, bytes, float]]) -> None:
        self._expire()
        for key, value, ttl in items:
            self._write(key, value, ttl)

    async def expire(self, *keys: str, ttl: float) -> None:
        await self.renew_all([(key, ttl) for key in keys])

    async def get(self, key: str) -> bytes | None:
        self._expire()
        return self._values.get(key)

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        self._expire()
        return [self._values.get(key) for key in keys]

    async def keys(self, prefix: str) -> list[str]:
        self._expire()
        if prefix.endswith("/"):
            return list(self._folders.get(prefix, ()))
        return [key for key in self._values if key.startswith(prefix)]

    async def delete(self, keys: list[str]) -> None:
        self._delete(keys)

    # --- what it does better than the defaults ---

    async def put_within(
        self, entries: Sequence[Entry], *, drop: Sequence[str] = (), limits: Mapping[str, int] | None = None
    ) -> str | None:
        self._expire()
        for folder, most in (limits or {}).items():
            inside = self._folders.get(folder, set())
            if len(inside) - sum(entry.key in inside for entry in entries) >= most:
                return folder
        self._delete(drop)
        for entry in entries:
            self._write(*entry)
        return None

    async def renew_all(self, keys: Sequence[tuple[str, float]]) -> list[str]:
        self._expire()
        now = self._clock.boot()
        gone = []
        for key, ttl in keys:
            if key in self._values:
                self._set_expiry(key, now + ttl)
            else:
                gone.append(key)
        return gone

    async def notify(self, channel: str, message: bytes) -> None:
        for queue in self._listeners.get(channel, ()):
            queue.put_nowait(message)

    async def notifications(self, channel: str) -> AsyncIterator[bytes | None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        queue.put_nowait(None)
        self._listeners[channel].add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners[channel].discard(queue)

    # --- inside ---

    def _write(self, key: str, value: bytes, ttl: float) -> None:
        if key not in self._values:
            for folder in folders(key):
                self._folders.setdefault(folder, set()).add(key)
        self._values[key] = value
        self._set_expiry(key, self._clock.boot() + ttl)

    def _set_expiry(self, key: str, at: float) -> None:
        """One that only moves later needs no second place in the queue: it is put back when its turn comes."""
        before = self._expiries.get(key)
        self._expiries[key] = at
        if before is None or at < before:
            heapq.heappush(self._queue, (at, key))
            self._thin_out()

    def _thin_out(self) -> None:
        """Keys that were deleted, or came back, leave their former places in the queue behind."""
        if len(self._queue) > 2 * len(self._values) + _SPARE_PLACES:
            self._queue = [(at, key) for key, at in self._expiries.items()]
            heapq.heapify(self._queue)

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            if self._values.pop(key, None) is None:
                continue
            del self._expiries[key]
            for folder in folders(key):
                self._folders[folder].discard(key)
                if not self._folders[folder]:
                    del self._folders[folder]
        self._thin_out()

    def _expire(self) -> None:
        now = self._clock.boot()
        while self._queue and self._queue[0][0] <= now:
            _, key = heapq.heappop(self._queue)
            at = self._expiries.get(key)
            if at is None:
                continue
            if at <= now:
                self._delete([key])
            else:
                heapq.heappush(self._queue, (at, key))

    async def _clean(self) -> None:
        while True:
            await self._clock.sleep(self._cleanup_interval)
            self._expire()
