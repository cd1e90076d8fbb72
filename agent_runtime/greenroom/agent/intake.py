"""The caller's sound on its way to the ears: bounded, the oldest dropped first and counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, duration_ms
from greenroom.observability.process import DROPPED_SOUND

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

CAPACITY_BYTES = 2 * SAMPLE_RATE * BYTES_PER_SAMPLE


class Intake:
    """Takes frames of any length, gives chunks of one length; wakes its reader once per chunk, not per frame."""

    def __init__(self, chunk_bytes: int, clock: Clock) -> None:
        self._chunk_bytes = chunk_bytes
        self._clock = clock
        self._pcm = bytearray()
        self._ready = asyncio.Event()

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        if len(self._pcm) > CAPACITY_BYTES:
            self._drop()
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

    def _drop(self) -> None:
        """Whole chunks of the oldest, so that the reader's stay whole samples."""
        excess = len(self._pcm) - CAPACITY_BYTES
        dropped = -(-excess // self._chunk_bytes) * self._chunk_bytes
        del self._pcm[:dropped]
        DROPPED_SOUND.inc(duration_ms(dropped) / 1000)
