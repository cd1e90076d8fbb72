"""A store as somebody wrote it before ours had anything optional: the seven methods and no more."""

from __future__ import annotations

import asyncio

from greenroom.registry import SessionKVStore


class OldStyleStore(SessionKVStore):
    """Waits in every operation, as one that talks to a server does."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[bytes, float]] = {}

    async def set(self, key: str, value: bytes, ttl: float, *, only_if_exists: bool = False) -> None:
        if not only_if_exists or await self.get(key) is not None:
            self.values[key] = (value, self._now() + ttl)

    async def mset(self, items: list[tuple[str, bytes, float]]) -> None:
        for key, value, ttl in items:
            await self.set(key, value, ttl)
            await asyncio.sleep(0)

    async def expire(self, *keys: str, ttl: float) -> None:
        for key in keys:
            await self.set(key, await self.get(key) or b"", ttl, only_if_exists=True)

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0)
        value, expires = self.values.get(key, (None, 0.0))
        return value if expires > self._now() else None

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    async def keys(self, prefix: str) -> list[str]:
        await asyncio.sleep(0)
        return [key for key, (_, expires) in self.values.items() if key.startswith(prefix) and expires > self._now()]

    async def delete(self, keys: list[str]) -> None:
        await asyncio.sleep(0)
        for key in keys:
            self.values.pop(key, None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
