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
        self._reader: asyncio.Future[bool] | None = None

    def push(self, pcm: bytes) -> None:
        self._pcm += pcm
        if len(self._pcm) > CAPACITY_BYTES:
            self._drop()
        if len(self._pcm) >= self._chunk_bytes:
            self._wake(True)

    async def chunk(self, patience_seconds: float | None) -> bytes | None:
        """The next chunk; None if none came within `patience_seconds` (None: wait for ever). One reader at a time."""
        if len(self._pcm) < self._chunk_bytes and not await self._more(patience_seconds):
            return None
        chunk = bytes(self._pcm[: self._chunk_bytes])
        del self._pcm[: self._chunk_bytes]
        return chunk

    async def _more(self, patience_seconds: float | None) -> bool:
        """Whether there is a chunk in time. Runs for each chunk of each call, and so goes without an Event."""
        self._reader = asyncio.get_running_loop().create_future()
        timer = None if patience_seconds is None else self._clock.later(patience_seconds, lambda: self._wake(False))
        try:
            return await self._reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()

    def _wake(self, ready: bool) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(ready)

    def _drop(self) -> None:
        """Whole chunks of the oldest, so that the reader's stay whole samples."""
        excess = len(self._pcm) - CAPACITY_BYTES
        dropped = -(-excess // self._chunk_bytes) * self._chunk_bytes
        del self._pcm[:dropped]
        DROPPED_SOUND.inc(duration_ms(dropped) / 1000)
