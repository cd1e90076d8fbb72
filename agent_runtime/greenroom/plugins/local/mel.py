"""Sound as Whisper looks at it: the loudness of 80 bands of hearing, a hundred times a second, as a logarithm.

Needs numpy; imported with the first use of the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from greenroom.agent.audio import SAMPLE_RATE

BANDS = 80
FRAMES_PER_SECOND = 100
_HOP = SAMPLE_RATE // FRAMES_PER_SECOND
_WINDOW = 400  # samples that one frame looks at
_RANGE = 8.0  # powers of ten between the loudest and what counts as silent
_LINEAR_UP_TO_HZ = 1000.0  # above it the scale of hearing is logarithmic
_MEL_HZ = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27


def log_mel(samples: Any, frames: int) -> Any:
    """`frames` frames of `samples` (float32, -1 to 1), silence after their end: float32, bands by frames."""
    reach = _WINDOW // 2
    sound = np.zeros(frames * _HOP + _WINDOW, dtype=np.float32)
    heard = samples[: frames * _HOP]
    sound[reach : reach + len(heard)] = heard
    sound[:reach] = sound[reach + 1 : _WINDOW + 1][::-1]  # as in a mirror, so that there is no edge
    looks = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[: frames * _HOP : _HOP]
    power = np.abs(np.fft.rfft(looks * _HANN, axis=1)).astype(np.float32) ** 2
    loudness = np.log10(np.maximum(_FILTERS @ power.T, 1e-10))
    return ((np.maximum(loudness, loudness.max() - _RANGE) + 4.0) / 4.0).astype(np.float32)


def _hertz(mel: Any) -> Any:
    bend = _LINEAR_UP_TO_HZ / _MEL_HZ
    return np.where(mel < bend, mel * _MEL_HZ, _LINEAR_UP_TO_HZ * np.exp(_LOG_STEP * (mel - bend)))


def _filters() -> Any:
    """Triangles, each from the middle of one neighbour to that of the other, of equal area."""
    top = _LINEAR_UP_TO_HZ / _MEL_HZ + np.log(SAMPLE_RATE / 2 / _LINEAR_UP_TO_HZ) / _LOG_STEP
    edges = _hertz(np.linspace(0.0, top, BANDS + 2))
    heights = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    rising = (heights - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - heights) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]).astype(np.float32)


_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_FILTERS = _filters()
