"""What a test says aloud, as sound: 16 kHz, 16-bit, mono."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom.agent import TTS

_FORM = (1, BYTES_PER_SAMPLE, SAMPLE_RATE)


def recorded(path: Path) -> bytes:
    """The sound of a wav file. Blocks: call it in a thread. ValueError if it is of another form."""
    with wave.open(str(path), "rb") as file:
        channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if (channels, width, rate) != _FORM:
            raise ValueError(
                f"{path} has {channels} channels of {8 * width} bits at {rate} Hz and must have 1 of 16 bits at "
                f"{SAMPLE_RATE} Hz: ffmpeg -i IN -ac 1 -ar {SAMPLE_RATE} -sample_fmt s16 OUT.wav converts it"
            )
        return file.readframes(file.getnframes())


class Speaker:
    """The test's own voice, made when it is first needed: `voice`, or the local engine (extra `local`)."""

    def __init__(self, voice: TTS | None) -> None:
        self._voice = voice
        self._started = False

    async def speech(self, text: str) -> bytes:
        if self._voice is None:
            from greenroom.plugins import local

            self._voice = local.TTS(seed=7)
        if not self._started:
            self._started = True
            await self._voice.start()
        return b"".join([pcm async for pcm in self._voice.synthesize(text)])

    async def close(self) -> None:
        if self._started and self._voice is not None:
            await self._voice.close()
