"""Each participant's sound for one listener who may be slow: bounded, the oldest dropped first and counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, seconds_of

if TYPE_CHECKING:
    from greenroom.agent.participants import Participant

CAPACITY_SECONDS = 2.0


class Overhearing:
    """Takes frames of any length, gives pieces of one length, of the participants in turn."""

    def __init__(self, seconds: float) -> None:
        self._piece_bytes = max(1, round(seconds * SAMPLE_RATE)) * BYTES_PER_SAMPLE
        self._waiting: dict[str, tuple[Participant, bytearray]] = {}
        self._ready: dict[str, None] = {}  # whose piece is whole, the longest waiting first
        self._arrived = asyncio.Event()
        self.dropped_seconds = 0.0

    def push(self, participant: Participant, pcm: bytes) -> None:
        _, waiting = self._waiting.setdefault(participant.id, (participant, bytearray()))
        waiting += pcm
        while seconds_of(waiting) > CAPACITY_SECONDS and len(waiting) > self._piece_bytes:
            self.dropped_seconds += seconds_of(waiting[: self._piece_bytes])
            del waiting[: self._piece_bytes]
        if len(waiting) >= self._piece_bytes:
            self._ready[participant.id] = None
            self._arrived.set()

    def forget(self, participant: Participant) -> None:
        self._waiting.pop(participant.id, None)
        self._ready.pop(participant.id, None)

    async def next(self) -> tuple[Participant, bytes]:
        """The next piece of whose sound has waited longest."""
        while not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        name = next(iter(self._ready))
        del self._ready[name]
        participant, waiting = self._waiting[name]
        piece = bytes(waiting[: self._piece_bytes])
        del waiting[: self._piece_bytes]
        if len(waiting) >= self._piece_bytes:
            self._ready[name] = None
        return participant, piece
