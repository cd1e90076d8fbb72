"""A store of checkpoints on Redis. Needs the `redis` package: `pip install 'greenroom[redis]'`."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from redis.asyncio import Redis
except ModuleNotFoundError as missing:
    if missing.name != "redis":
        raise
    text = "RedisCheckpoints needs the package redis: pip install 'greenroom[redis]'"
    raise ModuleNotFoundError(text, name="redis") from missing

from greenroom.checkpoints.store import CheckpointStore
from greenroom.registry.redis_link import Link, as_bytes, client_for
from greenroom_core.clock import SystemClock
from greenroom_core.model.session import Checkpoint

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

_MAX_CONNECTIONS = 4

# A pod that was cut off may go on saving when the session runs elsewhere already.
_SAVE = """
local key, attempt, state, milliseconds = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HGET', key, 'attempt')
if held and tonumber(held) > tonumber(attempt) then
  return 0
end
redis.call('HSET', key, 'attempt', attempt, 'state', state)
redis.call('PEXPIRE', key, milliseconds)
return 1
"""


class RedisCheckpoints(CheckpointStore):
    """On the Redis of `client`, which stays the caller's, or of `url`. Exactly one of the two, else ValueError.

    A checkpoint vanishes `ttl_seconds` after it was saved last; until then it stands in the hash
    `{key_prefix}checkpoints/{namespace}/{uid of the session}`, readable for whoever may read that Redis.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        client: Redis | None = None,
        key_prefix: str = "greenroom:",
        ttl_seconds: float = 86_400.0,
        timeout_seconds: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        if (client is None) == (url is None):
            raise ValueError("give exactly one of client and url")
        if ttl_seconds <= 0:
            raise ValueError("ttl_seconds must be > 0")
        if timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be > 0")
        self._folder = f"{key_prefix}checkpoints/"
        self._milliseconds = max(1, round(ttl_seconds * 1000))
        self._link = Link(
            client or client_for(url or "", _MAX_CONNECTIONS, timeout_seconds),
            owned=client is None,
            timeout_seconds=timeout_seconds,
            clock=clock or SystemClock(),
        )

    async def save(self, session: str, checkpoint: Checkpoint) -> None:
        words = (checkpoint.attempt, checkpoint.state, self._milliseconds)
        await self._link.script(_SAVE, self._folder + session, *words)

    async def load(self, session: str) -> Checkpoint | None:
        attempt, state = await self._link.command("HMGET", self._folder + session, "attempt", "state")
        if attempt is None or state is None:
            return None
        return Checkpoint(state=as_bytes(state).decode(), attempt=int(attempt))

    async def forget(self, session: str) -> None:
        await self._link.command("DEL", self._folder + session)

    async def close(self) -> None:
        await self._link.close()
