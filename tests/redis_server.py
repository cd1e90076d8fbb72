"""A real Redis for tests: a process of its own, on a port of its own, with nothing kept on disk."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from greenroom_core.clock import SystemClock
from greenroom_local.binaries import find_installed_redis
from greenroom_local.children import ChildProcess, Command
from greenroom_local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_START_SECONDS = 20.0


class RedisServer:
    """`directory` takes its log. It can be stopped, and started again on the same port, empty."""

    def __init__(self, directory: Path, *options: str) -> None:
        program = find_installed_redis()
        assert program is not None, (
            "no Redis server: run `make test`, which brings one, or put redis-server on the PATH"
        )
        (self.port,) = free_ports(1)
        words = (str(program), "--bind", LOOPBACK, "--port", str(self.port), "--save", "", *options)
        command = Command("redis-server", words, os.environ, directory / "redis.log", directory)
        self.process = ChildProcess(command, SystemClock())

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def start(self) -> None:
        """Returns when it answers."""
        self.process.start()
        async with asyncio.timeout(_START_SECONDS), Redis.from_url(self.url) as client:
            while not await self._answers(client):
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        await self.process.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answers(self, client: Redis) -> bool:
        assert self.process.running, f"redis-server ended:\n{self.process.last_lines()}"
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
