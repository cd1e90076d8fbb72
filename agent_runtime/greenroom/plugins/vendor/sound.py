"""Vendors' raw sound into the agent's: whole samples, at 16 kHz. Pure."""

from __future__ import annotations

from math import ceil, gcd
from typing import Any

from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

CROSSINGS = 16  # of the filter, on each side of a sample


class Samples:
    """One stream of sound: 16-bit, mono, `rate` samples a second; pieces may come cut anywhere."""

    def __init__(self, rate: int) -> None:
        self._odd = b""
        self._resampler = None if rate == SAMPLE_RATE else Resampler(rate)

    def take(self, piece: bytes) -> bytes:
        """The next whole samples at the agent's rate; perhaps none yet."""
        piece = self._odd + piece
        whole = len(piece) - len(piece) % BYTES_PER_SAMPLE
        self._odd = piece[whole:]
        return self._resampler.take(piece[:whole]) if self._resampler else piece[:whole]

    def rest(self) -> bytes:
        """What the filter still holds; half a sample at the end is none."""
        return self._resampler.rest() if self._resampler else b""


class Resampler:
    """From `rate` to the agent's, piece by piece, through a windowed sinc filter that lets nothing through above half
    of the lower rate. Needs numpy. A second of sound takes about 3 ms."""

    def __init__(self, rate: int) -> None:
        import numpy as np

        self._np = np
        self._rate = rate
        self._reach = ceil(CROSSINGS * max(1.0, rate / SAMPLE_RATE))
        self._taps: Any = np.arange(1 - self._reach, self._reach + 1)
        self._unit = gcd(rate, SAMPLE_RATE)  # samples made lie at one of so few places between those that came
        self._weights: Any = self._filters(np.arange(SAMPLE_RATE // self._unit) * self._unit / SAMPLE_RATE)
        self._input: Any = np.zeros(self._reach, dtype=np.float32)  # what was before the sound
        self._forgotten = -self._reach  # the place of `_input` in the sound
        self._made = 0  # samples; whole numbers throughout, so that nothing adds up over a long stream

    def take(self, pcm: bytes) -> bytes:
        np = self._np
        self._input = np.concatenate((self._input, np.frombuffer(pcm, dtype="<i2").astype(np.float32)))
        within_reach = self._forgotten + len(self._input) - self._reach
        until = -(-within_reach * SAMPLE_RATE // self._rate)
        if until <= self._made:
            return b""
        places, rests = np.divmod(np.arange(self._made, until) * self._rate, SAMPLE_RATE)
        nearby = np.lib.stride_tricks.sliding_window_view(self._input, 2 * self._reach)
        first = places - self._forgotten + 1 - self._reach
        sound = np.einsum("ij,ij->i", nearby[first], self._weights[rests // self._unit])
        self._made = until
        self._forget(until * self._rate // SAMPLE_RATE - self._reach)
        return bytes(np.clip(np.rint(sound), -32768, 32767).astype("<i2").tobytes())

    def rest(self) -> bytes:
        """The last samples, which waited for those after them: silence."""
        return self.take(bytes(self._reach * BYTES_PER_SAMPLE))

    def _filters(self, fractions: Any) -> Any:
        """The weights of the samples around a place, by where it lies between two of them."""
        np = self._np
        distance = self._taps - fractions[:, None]
        window = np.cos(np.pi * distance / (2 * self._reach)) ** 2
        weights = np.sinc(distance * min(1.0, SAMPLE_RATE / self._rate)) * window
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    def _forget(self, place: int) -> None:
        done = max(0, place - self._forgotten)
        self._input = self._input[done:]
        self._forgotten += done
