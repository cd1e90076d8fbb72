"""A caller made of sound: speaks in real time, waits for the answer, speaks again, hangs up or stays silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, peak, silence
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom.agent.interfaces import TTS
    from greenroom_core.clock import Clock

LEAD_IN_SECONDS = 0.3
LEAD_OUT_SECONDS = 1.0  # a line that has been said is followed by audible silence, then by nothing
ANSWER_PAUSE_SECONDS = 0.8  # the agent is done when it has been silent for so long
AUDIBLE_PEAK = 64
ROUNDING_SECONDS = 0.0005  # a wait of less is over


class Caller:
    """Says `lines`: each a text, spoken by `voice`, or sound (16 kHz, 16-bit, mono).

    After each line it waits until the agent has answered. After the last it hangs up, or stays without a word.
    """

    def __init__(
        self,
        lines: Sequence[str | bytes],
        *,
        voice: TTS | None = None,
        hang_up_after_answer: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if voice is None and any(isinstance(line, str) for line in lines):
            raise ValueError("a caller needs a voice to say text: give it voice=, for instance local.TTS(seed=7)")
        self._lines = tuple(lines)
        self._voice = voice
        self._hang_up = hang_up_after_answer
        self._clock = clock or SystemClock()
        self._heard = asyncio.Event()
        self._heard_at = 0.0

    async def prepare(self) -> list[bytes]:
        """The sound of each line; before the call, so that the caller does not fall silent over it."""
        return [await self._sound(line) for line in self._lines]

    async def call(self, sounds: Sequence[bytes], send: Callable[[bytes], None]) -> None:
        """Take part in a call; returns when the caller hangs up."""
        for sound in sounds:
            self._heard.clear()
            await self._speak(silence(LEAD_IN_SECONDS) + sound + silence(LEAD_OUT_SECONDS), send)
            await self._answer_heard()
        if not self._hang_up:
            await asyncio.Event().wait()  # stays until the call is taken down

    def hear(self, frame: bytes) -> None:
        """What the agent says."""
        if peak(frame) >= AUDIBLE_PEAK:
            self._heard_at = self._clock.boot()
            self._heard.set()

    async def _sound(self, line: str | bytes) -> bytes:
        if isinstance(line, bytes) or self._voice is None:
            return bytes(line) if isinstance(line, bytes) else b""
        return b"".join([pcm async for pcm in self._voice.synthesize(line)])

    async def _speak(self, pcm: bytes, send: Callable[[bytes], None]) -> None:
        started = self._clock.boot()
        for number, start in enumerate(range(0, len(pcm), FRAME_BYTES)):
            ahead = started + number * FRAME_SECONDS - self._clock.boot()
            if ahead > 0:
                await self._clock.sleep(ahead)
            send(pcm[start : start + FRAME_BYTES])

    async def _answer_heard(self) -> None:
        await self._heard.wait()
        while (left := self._heard_at + ANSWER_PAUSE_SECONDS - self._clock.boot()) > ROUNDING_SECONDS:
            await self._clock.sleep(left)
