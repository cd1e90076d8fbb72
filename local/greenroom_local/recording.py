"""What is in a recorded answer: how long it is, and whether anything is to be heard. The standard library only."""

from __future__ import annotations

import array
import math
import sys
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST_SECONDS = 1.0
_SILENT_LEVEL = 100.0
"""Root mean square of 16-bit samples; speech has some thousands, dither a few."""


@dataclass(frozen=True, slots=True)
class Sound:
    """`level` is the root mean square of the samples, 0 to 32768."""

    seconds: float
    level: float

    @property
    def problem(self) -> str:
        """Why it is not a spoken answer; empty when it is one."""
        if self.seconds <= SHORTEST_SECONDS:
            return f"it lasts only {self.seconds:.2f} s"
        if self.level < _SILENT_LEVEL:
            return f"it is silent (level {self.level:.0f})"
        return ""


def listen(path: Path) -> Sound:
    """Read a WAV file of 16-bit samples. Raises OSError, EOFError, ValueError, wave.Error."""
    with wave.open(str(path), "rb") as recording:
        if recording.getsampwidth() != 2:
            raise ValueError(f"{path} has samples of {recording.getsampwidth()} bytes, expected 2")
        samples = array.array("h", recording.readframes(recording.getnframes()))
        seconds = recording.getnframes() / recording.getframerate()
    if sys.byteorder == "big":
        samples.byteswap()
    level = math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0
    return Sound(seconds, level)
