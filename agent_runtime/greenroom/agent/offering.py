"""What a call gives to a model that hears: sound, words, results and pictures, the newest sound never waiting long.

Knows nothing of models.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from greenroom.agent.audio import duration_ms, peak, silence
from greenroom.agent.realtime import Offer, PictureGiven, SoundGiven

if TYPE_CHECKING:
    from greenroom.agent.intake import Intake
    from greenroom.agent.realtime import ReplyCut, ResultGiven, TextGiven
    from greenroom.agent.video import VideoFrame
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

GAP_SECONDS = 0.25  # a caller who stops sending is silent
TRAILING_SECONDS = 2.0  # and the model hears the silence for so long
WAITING_WORDS = 128  # while a model is away; the oldest go
LOUD = 500  # of 32768
PAUSE_SECONDS = 1.0  # of silence, between two times of being loud


class Offering:
    """Is the :class:`greenroom.agent.realtime.Given`; has one reader."""

    def __init__(self, intake: Intake, metrics: MetricsCollector, clock: Clock) -> None:
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self._words: deque[TextGiven | ResultGiven | ReplyCut] = deque(maxlen=WAITING_WORDS)
        self._sound: bytes | None = None
        self._sound_taken = asyncio.Event()
        self._sound_taken.set()
        self._picture: VideoFrame | None = None
        self._changed = asyncio.Event()
        self.loud: tuple[float, float] | None = None
        """From when to when the user's sound was more than a murmur, short pauses aside."""

    async def run(self) -> None:
        """Fetch the user's sound, a piece ahead of the reader, until cancelled."""
        silent_seconds = TRAILING_SECONDS
        while True:
            await self._sound_taken.wait()
            chunk = await self._intake.chunk(GAP_SECONDS if silent_seconds < TRAILING_SECONDS else None)
            silent_seconds = 0.0 if chunk is not None else silent_seconds + GAP_SECONDS
            self._sound = silence(GAP_SECONDS) if chunk is None else chunk
            self._sound_taken.clear()
            self._changed.set()

    def give(self, words: TextGiven | ResultGiven | ReplyCut) -> None:
        self._words.append(words)
        self._changed.set()

    def show(self, frame: VideoFrame) -> None:
        """Offer `frame` instead of the one before."""
        self._picture = frame
        self._changed.set()

    async def next(self, patience_seconds: float | None) -> Offer | None:
        try:
            async with self._clock.timeout(patience_seconds):
                while (offer := self._taken()) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None
        return offer

    def _taken(self) -> Offer | None:
        if self._words:
            return self._words.popleft()
        if self._picture is not None:
            frame, self._picture = self._picture, None
            return PictureGiven(frame)
        if self._sound is None:
            return None
        sound, self._sound = self._sound, None
        self._sound_taken.set()
        self._hear(sound)
        return SoundGiven(sound)

    def _hear(self, sound: bytes) -> None:
        self._metrics.on_realtime_audio_input(len(sound), duration_ms(len(sound)))
        if peak(sound) > LOUD:
            now = self._clock.boot()
            since, last = self.loud or (now, now)
            self.loud = (since if now - last <= PAUSE_SECONDS else now, now)
