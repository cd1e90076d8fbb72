"""Speech to text by Whisper: better ears than :class:`greenroom.plugins.local.STT`, US and other English, punctuated.

Whisper hears a whole utterance at once. So that the text is there when the turn ends, it is asked as soon as the user
pauses; what it says is taken if only silence came after. It is asked in between too, for the text so far, but only
while no other session needs it.
"""

from __future__ import annotations

import asyncio

from greenroom.agent import interfaces
from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, duration_ms, peak, seconds_of
from greenroom.agent.cancellation import outlast
from greenroom.plugins.local.shared import shared
from greenroom.plugins.local.threads import LOADING, TRANSCRIBING
from greenroom.plugins.local.tiny import LONGEST_SECONDS, TinyEnglish
from greenroom.plugins.local.vad import QUIET_PEAK
from greenroom.warmup import Warmable

PARTIAL_SECONDS = 1.0
PAUSE_SECONDS = 0.1  # of quiet after speech: perhaps the turn is over
_QUIET_SHARE = 0.05  # of the loudest sample so far
_CUT_SECONDS = LONGEST_SECONDS - 2.0  # more than this is not looked at in one piece
_CUT_WITHIN_BYTES = 8 * SAMPLE_RATE * BYTES_PER_SAMPLE
_CUT_STEP_BYTES = SAMPLE_RATE // 5 * BYTES_PER_SAMPLE


class Whisper(interfaces.STT, Warmable[TinyEnglish]):
    """Ears for one call. A text so far comes in each pause, and after each `partial_seconds` of speech (None: in
    pauses alone).

    `partial_seconds` may not be under 0.2. All sessions of a process share one model and a few threads, each with one
    piece of work at a time, in the order of asking.
    """

    def __init__(self, *, partial_seconds: float | None = PARTIAL_SECONDS) -> None:
        if partial_seconds is not None and partial_seconds < 0.2:
            raise ValueError(f"partial_seconds={partial_seconds}: from 0.2 on, or None for texts in pauses alone")
        self._partial_seconds = partial_seconds
        self._model = shared("whisper", TinyEnglish)

    async def on_warmup(self) -> TinyEnglish:
        await LOADING.run(self._model.warm)
        return self._model

    def on_warmed_up(self, resource: TinyEnglish) -> None:
        self._model = resource

    async def start(self) -> None:
        await self.on_warmup()

    def utterance(self) -> Utterance:
        return Utterance(self._model, self._partial_seconds)


class Utterance(interfaces.Utterance):
    """One turn: its sound, and at most one look at it by the model."""

    def __init__(self, model: TinyEnglish, partial_seconds: float | None) -> None:
        self._model = model
        self._partial_seconds = partial_seconds
        self._pcm = bytearray()
        self._settled: list[str] = []  # texts of what was cut off before `_pcm`
        self._text = ""
        self._loudest = QUIET_PEAK
        self._loud_until = 0  # bytes
        self._look: asyncio.Task[str] | None = None
        self._looked_until = 0  # bytes

    async def feed(self, pcm: bytes) -> str | None:
        self._add(pcm)
        while seconds_of(self._pcm) > _CUT_SECONDS:
            await self._settle()
        text = self._seen()
        if self._worth_a_look():
            self._looked_until = len(self._pcm)
            self._look = asyncio.create_task(self._heard(), name="whisper-look")
        if text is None or text == self._text:
            return None
        self._text = text
        return text

    async def finish(self) -> str:
        look, self._look = self._look, None
        try:
            if look is not None and self._loud_until <= self._looked_until:
                return self._whole(await look)
            return self._whole(await self._heard())
        finally:
            await _ended(look)

    async def abandon(self) -> None:
        look, self._look = self._look, None
        await _ended(look)

    def _add(self, pcm: bytes) -> None:
        self._pcm += pcm
        loudness = peak(pcm)
        self._loudest = max(self._loudest, loudness)
        if loudness > self._loudest * _QUIET_SHARE:
            self._loud_until = len(self._pcm)

    def _worth_a_look(self) -> bool:
        """Whether there is speech that the last look, which is over, did not see, and somebody free to look."""
        if (self._look is not None and not self._look.done()) or self._loud_until <= self._looked_until:
            return False
        if duration_ms(len(self._pcm) - self._loud_until) >= PAUSE_SECONDS * 1000:
            return TRANSCRIBING.free
        if self._partial_seconds is None or not TRANSCRIBING.idle:
            return False
        return duration_ms(len(self._pcm) - self._looked_until) >= self._partial_seconds * 1000

    def _seen(self) -> str | None:
        """What the last look saw, if it is over."""
        if self._look is None or not self._look.done():
            return None
        return self._whole(self._look.result())

    async def _settle(self) -> None:
        """Have the beginning of a long utterance understood, and let go of it."""
        await self.abandon()
        text, end = await TRANSCRIBING.run_or_drop(_beginning, self._model, bytes(self._pcm))
        self._settled.append(text)
        del self._pcm[:end]
        self._loud_until = max(0, self._loud_until - end)
        self._looked_until = 0

    async def _heard(self) -> str:
        return await TRANSCRIBING.run_or_drop(self._model.text, bytes(self._pcm))

    def _whole(self, text: str) -> str:
        return " ".join(filter(None, (*self._settled, text)))


def _beginning(model: TinyEnglish, pcm: bytes) -> tuple[str, int]:
    """The text up to the quietest moment of the last seconds, between two words most likely, and its place in bytes."""
    most = int(_CUT_SECONDS * SAMPLE_RATE) * BYTES_PER_SAMPLE
    steps = range(most - _CUT_WITHIN_BYTES, most, _CUT_STEP_BYTES)
    end = min(steps, key=lambda place: peak(pcm[place : place + _CUT_STEP_BYTES])) + _CUT_STEP_BYTES // 2
    return model.text(pcm[:end]), end


async def _ended(look: asyncio.Task[str] | None) -> None:
    if look is not None:
        look.cancel()
        await outlast(asyncio.gather(look, return_exceptions=True))
