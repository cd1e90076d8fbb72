"""A store on Redis, for any number of nodes. Needs the `redis` package: `pip install 'greenroom[redis]'`.

What many callers ask at the same moment goes to Redis as one command, so hundreds of operations at once need no more
than a few connections. Places under limits are taken by a script, in one atomic step.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    from redis.asyncio import Redis
except ModuleNotFoundError as missing:
    if missing.name != "redis":
        raise
    text = "RedisSessionKVStore needs the package redis: pip install 'greenroom[redis]'"
    raise ModuleNotFoundError(text, name="redis") from missing

from greenroom.registry.coalescing import Coalesced
from greenroom.registry.redis_link import Link, as_bytes, client_for, client_like
from greenroom.registry.redis_scripts import FOLDERS, LIST_FOLDER, PUT, RENEW
from greenroom.registry.store import Entry, SessionKVStore
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.registry")

_PUTS_AT_ONCE = 128
_READS_AT_ONCE = 256
_SCAN_COUNT = 1_000
_TWINS_CONNECTIONS = 2


class _Put(NamedTuple):
    entries: Sequence[Entry]
    drop: Sequence[str]
    limits: Sequence[tuple[str, int]]


class RedisSessionKVStore(SessionKVStore):
    """On the Redis of `client`, which stays the caller's, or of `url`. Exactly one of the two, else ValueError.

    `max_connections` bounds the connections of a store with `url`; more operations than that wait. An operation that
    Redis does not answer within `timeout_seconds`, reconnecting included, raises StoreUnavailable. Like the one in
    memory it counts its starts. Redis Cluster is not supported: the scripts need all keys on one node.
    """

    def __init__(
        self,
        *,
        client: Redis | None = None,
        url: str | None = None,
        key_prefix: str = "greenroom:",
        max_connections: int = 16,
        timeout_seconds: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        if (client is None) == (url is None):
            raise ValueError("give exactly one of client and url")
        if max_connections <= 1:
            raise ValueError("max_connections must be > 1: one is taken up by the subscription")
        if timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be > 0")
        self._client = client
        self._url = url
        self._prefix = key_prefix
        self._max_connections = max_connections
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()
        self._link = self._linked(client, url)
        self._puts = Coalesced(self._put_all, _PUTS_AT_ONCE)
        self._reads = Coalesced(self._read_all, _READS_AT_ONCE)
        self._users = 0

    async def start(self) -> None:
        """Raises StoreUnavailable when there is no Redis, RedisError when it refuses us."""
        await self._link.command("PING")
        self._users += 1
        logger.info("sessions are kept in Redis at %s", self._link.address)

    async def close(self) -> None:
        self._users -= 1
        if self._users > 0:
            return
        self._users = 0
        await self._puts.settle()
        await self._reads.settle()
        await self._link.close()

    # --- what every store does ---

    async def set(self, key: str, value: bytes, ttl: float, *, only_if_exists: bool = False) -> None:
        if not only_if_exists:
            await self.mset([(key, value, ttl)])
        elif await self._link.command("SET", self._prefix + key, value, "PX", _milliseconds(ttl), "XX"):
            await self.renew_all([(key, ttl)])

    async def mset(self, items: list[tuple[str, bytes, float]]) -> None:
        await self.put_within([Entry(*item) for item in items])

    async def expire(self, *keys: str, ttl: float) -> None:
        await self.renew_all([(key, ttl) for key in keys])

    async def get(self, key: str) -> bytes | None:
        return (await self._reads([key]))[0]

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        return await self._reads(keys) if keys else []

    async def keys(self, prefix: str) -> list[str]:
        """Goes through the whole database: :meth:`list_folder` does not."""
        pattern = f"{_glob_escaped(self._prefix + prefix)}*"
        found: set[str] = set()
        cursor: Any = 0
        while True:
            cursor, some = await self._link.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
            found.update(as_bytes(key).decode().removeprefix(self._prefix) for key in some)
            if int(cursor) == 0:
                return [key for key in found if not key.startswith(FOLDERS)]

    async def delete(self, keys: list[str]) -> None:
        await self.put_within((), drop=keys)

    # --- what it does better than the defaults ---

    async def put_within(
        self, entries: Sequence[Entry], *, drop: Sequence[str] = (), limits: Mapping[str, int] | None = None
    ) -> str | None:
        if not entries and not drop:
            return None
        bounds = tuple((limits or {}).items())
        full = await self._puts(_Put(entries, drop, bounds))
        return bounds[full - 1][0] if full else None

    async def renew_all(self, keys: Sequence[tuple[str, float]]) -> list[str]:
        if not keys:
            return []
        words = [word for key, ttl in keys for word in (key, _milliseconds(ttl))]
        there = await self._link.script(RENEW, self._prefix, *words)
        return [key for (key, _), lives in zip(keys, there, strict=True) if not lives]

    async def list_folder(self, folder: str) -> list[str]:
        found = await self._link.script(LIST_FOLDER, self._prefix, folder)
        return [as_bytes(key).decode() for key in found]

    async def notify(self, channel: str, message: bytes) -> None:
        await self._link.command("PUBLISH", self._prefix + channel, message)

    def notifications(self, channel: str) -> AsyncIterator[bytes | None]:
        return self._link.subscription(self._prefix + channel)

    def twin(self) -> RedisSessionKVStore | None:
        """With connections of its own. None if `client` is of a kind that cannot be doubled."""
        client = None if self._client is None else client_like(self._client, _TWINS_CONNECTIONS)
        if client is None and self._url is None:
            return None
        twin = RedisSessionKVStore(
            client=client,
            url=self._url,
            key_prefix=self._prefix,
            max_connections=_TWINS_CONNECTIONS,
            timeout_seconds=self._timeout_seconds,
        )
        twin._link.owned = True
        return twin

    # --- inside ---

    def _linked(self, client: Redis | None, url: str | None) -> Link:
        owned = client is None
        client = client or client_for(url or "", self._max_connections, self._timeout_seconds)
        return Link(client, owned=owned, timeout_seconds=self._timeout_seconds, clock=self._clock)

    async def _put_all(self, puts: Sequence[_Put]) -> Sequence[int]:
        words: list[str | bytes | int] = [self._prefix]
        for put in puts:
            words.append(len(put.limits))
            for folder, most in put.limits:
                words += (folder, most, 0)
            words.append(len(put.entries))
            for key, value, ttl in put.entries:
                words += (key, value, _milliseconds(ttl))
            words.append(len(put.drop))
            words += put.drop
        answers: Sequence[int] = await self._link.script(PUT, *words)
        return answers

    async def _read_all(self, reads: Sequence[Sequence[str]]) -> Sequence[list[bytes | None]]:
        found = await self._link.command("MGET", *(self._prefix + key for keys in reads for key in keys))
        values = iter([None if value is None else as_bytes(value) for value in found])
        return [[next(values) for _ in keys] for keys in reads]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _glob_escaped(text: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
