"""The caller's sound on its way to the ears: bounded, the oldest dropped first and counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent.audio import seconds_of

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

CAPACITY_SECONDS = 2.0


class Intake:
    """Takes frames of any length, gives chunks of one length; wakes its reader once per chunk, not per frame."""

    def __init__(self, chunk_bytes: int, clock: Clock) -> None:
        self._chunk_bytes = chunk_bytes
        self._clock = clock
        self._pcm = bytearray()
        self._ready = asyncio.Event()
        self.dropped_seconds = 0.0

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        while seconds_of(self._pcm) > CAPACITY_SECONDS:
            self.dropped_seconds += seconds_of(self._pcm[: self._chunk_bytes])
            del self._pcm[: self._chunk_bytes]
        if len(self._pcm) >= self._chunk_bytes:
            self._ready.set()

    async def chunk(self, patience_seconds: float | None) -> bytes | None:
        """The next chunk; None if none came within `patience_seconds` (None: wait for ever)."""
        if len(self._pcm) < self._chunk_bytes:
            self._ready.clear()
            try:
                async with self._clock.timeout(patience_seconds):
                    await self._ready.wait()
            except TimeoutError:
                return None
        chunk = bytes(self._pcm[: self._chunk_bytes])
        del self._pcm[: self._chunk_bytes]
        return chunk
