"""What a session registry needs of the place where it keeps its records.

A store knows keys and bytes, nothing of sessions. Keys are paths (`folder/folder/name`). Seven methods are asked of
every store. The others have defaults made of those seven, so that a store without them works, with less certainty;
each says what it is good for.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType


class StoreUnavailable(ConnectionError):
    """The store cannot be reached, or does not answer in time; what was asked may or may not have been done."""


class Entry(NamedTuple):
    """A value that vanishes `ttl` seconds after it was last written or renewed."""

    key: str
    value: bytes
    ttl: float


class SessionKVStore(ABC):
    """Keys and values that several nodes share. All times to live are in seconds and above 0."""

    async def start(self) -> None:  # noqa: B027 - a store may have nothing to do
        """Called before anything else; raises what keeps the store from working."""

    async def close(self) -> None:  # noqa: B027
        """Called last."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- what every store does ---

    @abstractmethod
    async def set(self, key: str, value: bytes, ttl: float, *, only_if_exists: bool = False) -> None:
        """Write a value; with `only_if_exists`, only over one that has not expired."""

    @abstractmethod
    async def mset(self, items: list[tuple[str, bytes, float]]) -> None:
        """Write several (key, value, ttl)."""

    @abstractmethod
    async def expire(self, *keys: str, ttl: float) -> None:
        """Let those that exist live for `ttl` from now."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None: ...

    @abstractmethod
    async def mget(self, keys: list[str]) -> list[bytes | None]:
        """The values, in the order of `keys`."""

    @abstractmethod
    async def keys(self, prefix: str) -> list[str]:
        """Every key that starts with `prefix`, to the letter."""

    @abstractmethod
    async def delete(self, keys: list[str]) -> None:
        """Those that are not there are no error."""

    # --- what a store may do better than with the above ---

    async def put_within(
        self, entries: Sequence[Entry], *, drop: Sequence[str] = (), limits: Mapping[str, int] | None = None
    ) -> str | None:
        """Write `entries` and delete `drop`; all of it, or nothing if one of `limits` leaves no room.

        `limits` tells how many keys a folder may hold, those of `entries` included. Returns the first folder that is
        full, None when all is written.

        A store where many nodes write does this in one atomic step. The default counts, then writes: exact for those
        who share this very object, but two nodes that do it at the same moment may together pass a limit.
        """
        if not limits:
            await _write(self, entries, drop)
            return None
        lock: asyncio.Lock = self.__dict__.setdefault("_one_at_a_time", asyncio.Lock())
        async with lock:
            for folder, most in limits.items():
                others = set(await self.keys(folder)).difference(entry.key for entry in entries)
                if len(others) >= most:
                    return folder
            await _write(self, entries, drop)
            return None

    async def renew_all(self, keys: Sequence[tuple[str, float]]) -> list[str]:
        """Let each (key, ttl) live for its ttl from now. Returns the keys that are gone, which stay so."""
        if not keys:
            return []
        values = await self.mget([key for key, _ in keys])
        present = defaultdict(list)
        for (key, ttl), value in zip(keys, values, strict=True):
            if value is not None:
                present[ttl].append(key)
        for ttl, some in present.items():
            await self.expire(*some, ttl=ttl)
        return [key for (key, _), value in zip(keys, values, strict=True) if value is None]

    async def list_folder(self, folder: str) -> list[str]:
        """The keys in a folder (a prefix that ends in `/`) that came by :meth:`put_within`.

        The default reads all keys with that prefix; a store that can keeps an index.
        """
        return await self.keys(folder)

    async def notify(self, channel: str, message: bytes) -> None:  # noqa: B027
        """Tell whoever listens to `channel` now, in any node. The default tells nobody."""

    async def notifications(self, channel: str) -> AsyncIterator[bytes | None]:
        """Messages from :meth:`notify`; None each time that some may have been missed, the first time included.

        The default ends at once: this store does not notify, ask it from time to time.
        """
        return
        yield

    def twin(self) -> SessionKVStore | None:
        """A second store on the same data, for use in the event loop of another thread; None: there is no such thing.

        With one, a registry keeps its records alive even while its own event loop is blocked.
        """
        return None


async def _write(store: SessionKVStore, entries: Sequence[Entry], drop: Sequence[str]) -> None:
    if entries:
        await store.mset([*entries])
    if drop:
        await store.delete(list(drop))
