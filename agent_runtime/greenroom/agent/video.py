"""The form of pictures inside an agent. Must not need numpy: it is imported with every agent file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture: `rgb` has 3 bytes a pixel, row by row from the top left, `3 * width * height` in all.

    `at` is when it arrived, in seconds of the agent's clock (`Clock.boot`).
    """

    width: int
    height: int
    rgb: bytes
    at: float
