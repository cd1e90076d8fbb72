"""Whether a recording is a spoken answer."""

from __future__ import annotations

import array
import math
import wave
from typing import TYPE_CHECKING

import pytest

from greenroom_local.recording import listen

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def record(path: Path, seconds: float, loudness: int, width: int = 2) -> Path:
    samples = array.array("h", (round(loudness * math.sin(n / 10)) for n in range(round(seconds * RATE))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize(
    ("seconds", "loudness", "problem"),
    [
        (1.5, 8000, ""),
        (0.9, 8000, "it lasts only 0.90 s"),
        (0.0, 8000, "it lasts only 0.00 s"),
        (1.5, 0, "it is silent (level 0)"),
        (1.5, 3, "it is silent (level 2)"),
    ],
)
def test_answer(tmp_path: Path, seconds: float, loudness: int, problem: str) -> None:
    assert listen(record(tmp_path / "a.wav", seconds, loudness)).problem == problem


def test_other_sample_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="samples of 1 bytes"):
        listen(record(tmp_path / "a.wav", 1.5, 8000, width=1))
