"""Clients that sessions share: opened by the first that needs one, closed when the last is done.

A client belongs to one event loop, so each loop has its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    values: list[T] = field(default_factory=list)  # one, once it is open
    users: int = 0


class Leases(Generic[K, T]):
    """Clients by what they are made from (`key`: address, API key)."""

    def __init__(self, open_client: Callable[[K], Awaitable[T]], close_client: Callable[[T], Awaitable[None]]) -> None:
        self._open = open_client
        self._close = close_client
        self._entries: dict[tuple[asyncio.AbstractEventLoop, K], _Entry[T]] = {}

    @property
    def count(self) -> int:
        """Clients in use."""
        return len(self._entries)

    async def take(self, key: K) -> T:
        """The client of `key`; give it back once for each time it was taken."""
        entry = self._entries.setdefault((asyncio.get_running_loop(), key), _Entry())
        entry.users += 1
        try:
            async with entry.opening:
                if not entry.values:
                    entry.values.append(await self._open(key))
        except BaseException:
            await self.give_back(key)
            raise
        return entry.values[0]

    async def give_back(self, key: K) -> None:
        place = (asyncio.get_running_loop(), key)
        entry = self._entries[place]
        entry.users -= 1
        if entry.users == 0:
            del self._entries[place]
            for client in entry.values:
                await self._close(client)
