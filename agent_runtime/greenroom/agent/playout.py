"""The agent's sound on its way out, at the pace of real time, and what of it was heard.

Sends at most :data:`LEAD_SECONDS` ahead, so that a stop is a stop. Knows nothing of models and calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_SECONDS, SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

LEAD_SECONDS = 0.04
LATE_SECONDS = 0.1
ROUNDING_SECONDS = 0.0005  # a wait of less is over
CAPACITY_BYTES = 20 * SAMPLE_RATE * BYTES_PER_SAMPLE


@dataclass(slots=True)
class Spoken:
    """One sentence: its sound as far as it is made and as far as it went out, in bytes."""

    text: str
    made: int = 0
    played: int = 0
    complete: bool = False

    def heard(self) -> str:
        """The words that went out. While the sound is still being made its length is not known: the
        fraction is then of what is made so far, which says rather too much than too little."""
        if self.played >= self.made:
            return self.text if self.complete and self.made else ""
        words = self.text.split()
        return " ".join(words[: int(len(words) * self.played / self.made)])


@dataclass(slots=True)
class Speech:
    """One answer as it is spoken."""

    sentences: list[Spoken] = field(default_factory=list)
    first_sound_at: float | None = None
    on_first_sound: Callable[[], None] | None = None

    def heard(self) -> str:
        return " ".join(filter(None, (sentence.heard() for sentence in self.sentences)))


class Playout:
    """Plays one piece after the other."""

    def __init__(self, clock: Clock, send: Callable[[bytes], None], clear: Callable[[], None]) -> None:
        self._clock = clock
        self._send = send
        self._clear = clear
        self._queue: deque[tuple[Speech, Spoken, memoryview]] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Event()
        self._due = 0.0
        self.late_frames = 0

    @property
    def playing(self) -> bool:
        return bool(self._queue)

    async def put(self, speech: Speech, sentence: Spoken, pcm: bytes) -> None:
        """Queue sound; waits while more than :data:`CAPACITY_BYTES` are queued."""
        while self._full():
            await self._change()
        if pcm:
            sentence.made += len(pcm)
            self._queue.append((speech, sentence, memoryview(pcm)))
            self._queued_bytes += len(pcm)
            self._changed.set()

    async def drained(self) -> None:
        """Everything queued has been heard."""
        while self._queue:
            await self._change()
        await self._clock.sleep(max(0.0, self._due - self._clock.boot()))

    def stop(self) -> None:
        """Be silent now; what was queued is dropped."""
        self._queue.clear()
        self._queued_bytes = 0
        self._clear()
        self._changed.set()

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            if not self._queue:
                await self._change()
                continue
            now = self._clock.boot()
            self._catch_up(now)
            ahead = self._due - now
            if ahead > LEAD_SECONDS + ROUNDING_SECONDS:
                await self._clock.sleep(ahead - LEAD_SECONDS)
                continue
            self._send_frame(now)

    def _catch_up(self, now: float) -> None:
        behind = now - self._due
        if behind > LATE_SECONDS:
            self._due = now  # after a silence, or late: never a burst
        elif behind > 0:
            self.late_frames += 1

    def _send_frame(self, now: float) -> None:
        was_full = self._full()
        frame = bytearray()
        while self._queue and len(frame) < FRAME_BYTES:
            frame += self._next(FRAME_BYTES - len(frame), now)
        self._send(bytes(frame.ljust(FRAME_BYTES, b"\0")))
        self._due += FRAME_SECONDS
        if not self._queue or (was_full and not self._full()):
            self._changed.set()

    def _next(self, size: int, now: float) -> memoryview:
        speech, sentence, pcm = self._queue[0]
        if speech.first_sound_at is None:
            speech.first_sound_at = now
            if speech.on_first_sound is not None:
                speech.on_first_sound()
        piece, rest = pcm[:size], pcm[size:]
        sentence.played += len(piece)
        self._queued_bytes -= len(piece)
        if rest:
            self._queue[0] = (speech, sentence, rest)
        else:
            self._queue.popleft()
        return piece

    def _full(self) -> bool:
        return self._queued_bytes > CAPACITY_BYTES

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
