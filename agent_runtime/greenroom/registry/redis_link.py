"""Commands to one Redis: retried while it cannot be reached, for a bounded time, and a subscription that comes back.

Knows nothing of what the commands mean.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from greenroom.registry.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.registry")

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.8
_SILENCE_SECONDS = 10.0  # after it a subscription shows that it still lives


def client_for(url: str, max_connections: int, timeout_seconds: float) -> Redis:
    """A client that waits for a free connection, and leaves retrying and the time limit of a command to us."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def client_like(client: Redis, max_connections: int) -> Redis | None:
    """A client of the same server with connections of its own; None if only the maker of `client` could make one."""
    pool = client.connection_pool
    if type(pool) not in (ConnectionPool, BlockingConnectionPool):
        return None
    doubled = BlockingConnectionPool(
        connection_class=pool.connection_class, max_connections=max_connections, **pool.connection_kwargs
    )
    return Redis.from_pool(doubled)


class Link:
    """`client` is closed by :meth:`close` if it is `owned`."""

    def __init__(self, client: Redis, *, owned: bool, timeout_seconds: float, clock: Clock) -> None:
        self._client = client
        self.owned = owned
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    @property
    def address(self) -> str:
        """Host and port, or the path of a socket: fit for a log."""
        options = self._client.connection_pool.connection_kwargs
        return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")

    async def close(self) -> None:
        if self.owned:
            await self._client.aclose()

    async def command(self, *words: Any) -> Any:
        """The answer. Raises StoreUnavailable when Redis was not reached in time, RedisError for other refusals."""
        problems: list[exceptions.RedisError] = []
        try:
            with _cancellable():
                async with self._clock.timeout(self._timeout_seconds):
                    return await self._tried(words, problems)
        except TimeoutError:
            why = f": {problems[-1]}" if problems else ""
            text = f"Redis at {self.address} did not answer within {self._timeout_seconds:g} s{why}"
            raise StoreUnavailable(text) from None

    async def script(self, text: str, *words: Any) -> Any:
        """The answer of a Lua script; Redis gets its text only when it does not know it yet."""
        try:
            return await self.command("EVALSHA", _fingerprint(text), 0, *words)
        except exceptions.NoScriptError:
            return await self.command("EVAL", text, 0, *words)

    async def subscription(self, channel: str) -> AsyncIterator[bytes | None]:
        """Messages; None each time that the subscription has been made anew. Never ends by itself."""
        failures = 0
        while True:
            try:
                async for message in self._subscribed(channel):
                    failures = 0
                    yield message
            except (exceptions.RedisError, OSError) as error:
                failures += 1
                if failures == 1:
                    logger.warning("the subscription at Redis %s was lost, made anew: %s", self.address, error)
            await self._clock.sleep(_pause_seconds(failures))

    async def _subscribed(self, channel: str) -> AsyncIterator[bytes | None]:
        pubsub = self._client.pubsub()
        try:
            with _cancellable():
                await pubsub.subscribe(channel)
            silences = 0
            while True:
                message = await pubsub.get_message(timeout=_SILENCE_SECONDS)
                silences = 0 if message else silences + 1
                if silences > 1:
                    raise exceptions.ConnectionError(f"nothing heard for {silences * _SILENCE_SECONDS:g} s")
                if message is None:
                    with _cancellable():
                        await pubsub.ping()
                elif message["type"] == "subscribe":
                    yield None
                elif message["type"] == "message":
                    yield as_bytes(message["data"])
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _tried(self, words: Sequence[Any], problems: list[exceptions.RedisError]) -> Any:
        for failures in count(1):
            try:
                return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
            except exceptions.AuthenticationError:
                raise
            except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
                problems.append(error)
            await self._clock.sleep(_pause_seconds(failures))


def as_bytes(value: bytes | str) -> bytes:
    """A client may have been told to decode what it reads."""
    return value.encode() if isinstance(value, str) else value


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raises the cancellation that came while the block ran, should it have been lost in there.

    A client that has a socket timeout sends by `asyncio.wait_for`, and that of Python 3.11 loses one that comes in the
    very moment in which the sending is done.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


@cache
def _fingerprint(script: str) -> str:
    return hashlib.sha1(script.encode()).hexdigest()


def _pause_seconds(failures: int) -> float:
    return min(_FIRST_PAUSE_SECONDS * 2.0**failures, _LONGEST_PAUSE_SECONDS)
