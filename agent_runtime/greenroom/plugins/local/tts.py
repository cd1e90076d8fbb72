"""Text to speech by hibari: a hundredth of real time, about 160 MB a process, US English.

Sound comes sentence by sentence. With a seed the same text gives the same sound, sample for sample.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from greenroom.agent import interfaces
from greenroom.agent.audio import SAMPLE_RATE
from greenroom.plugins.local.engines import engine
from greenroom.plugins.local.shared import shared
from greenroom.plugins.local.threads import LOADING, SPEAKING
from greenroom.warmup import Warmable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOUDEST = 32_000
AUDIBLE = 0.01  # of full scale
LEAD_SECONDS, TRAIL_SECONDS = 0.04, 0.2  # kept around what can be heard: a soft beginning, the pause of a full stop


class TTS(interfaces.TTS, Warmable[Any]):
    """A voice. `seed` fixes its noise; `speed` is 0.5 (slow) to 2.0."""

    def __init__(self, *, seed: int | None = None, speed: float = 1.0) -> None:
        if not 0.5 <= speed <= 2.0:
            raise ValueError(f"speed={speed}: the voice speaks from 0.5 to 2.0 times its usual pace")
        self._seed = seed
        self._speed = speed
        self._voice: Any = None

    async def on_warmup(self) -> Any:
        return await LOADING.run(shared, "hibari", _load)

    def on_warmed_up(self, resource: Any) -> None:
        self._voice = resource

    async def start(self) -> None:
        if self._voice is None:
            self._voice = await self.on_warmup()

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        await self.start()
        for sentence in self._voice.split_sentences(text):
            pcm: bytes = await SPEAKING.run(self._speak, sentence)
            if pcm:
                yield pcm

    def _speak(self, sentence: str) -> bytes:
        sound = self._voice(sentence, speed=self._speed, seed=self._seed)
        return _pcm(_pared(sound, self._voice.sample_rate), self._voice.sample_rate)


def _load() -> Any:
    # The ONNX runtime below the voice reports to its maker from the moment of its import unless this is set.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    voice = engine("hibari", "TTS").Hibari(threads=1)
    voice("Ready.")  # brings in the dictionary too, which otherwise the first sentence would pay for
    return voice


def _pared(sound: Any, sample_rate: int) -> Any:
    """Without the silence around it: the voice puts 0.3 s before each sentence, for which a user would wait, and half
    a second after it."""
    import numpy as np

    audible = np.flatnonzero(np.abs(sound) > AUDIBLE)
    if not len(audible):
        return sound
    first = audible[0] - int(LEAD_SECONDS * sample_rate)
    return sound[max(0, first) : audible[-1] + int(TRAIL_SECONDS * sample_rate)]


def _pcm(sound: Any, sample_rate: int) -> bytes:
    """Float samples at the voice's rate as 16-bit ones at ours; the spectrum is cut, so nothing aliases."""
    import numpy as np

    if not len(sound):
        return b""
    length = len(sound) * SAMPLE_RATE // sample_rate
    spectrum = np.fft.rfft(sound)[: length // 2 + 1]
    resampled = np.fft.irfft(spectrum, length) * (length / len(sound))
    return (resampled.clip(-1.0, 1.0) * LOUDEST).astype("<i2").tobytes()
