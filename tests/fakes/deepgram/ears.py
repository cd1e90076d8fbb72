"""Where speech begins and ends in the sound that a connection brings: what both interfaces tell in their own words.

Time is the sound's own: a client that sends faster than real time hears of it sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from greenroom.agent.audio import peak, seconds_of

LOUD = 500
EAGER_SILENCE_SECONDS = 0.2
END_SILENCE_SECONDS = 0.5
STEP_SECONDS = 0.25
WINDOW_BYTES = 640


class Signal(Enum):
    BEGAN = auto()
    MORE = auto()
    EAGER_END = auto()
    RESUMED = auto()
    END = auto()


@dataclass
class Ears:
    """State of one connection. `heard` and the times of the turn are seconds of sound."""

    eager: bool
    end_silence_seconds: float = END_SILENCE_SECONDS
    heard: float = 0.0
    began: float | None = None  # None: silence
    start: float = 0.0
    last_loud: float = 0.0
    speech: bytes = b""
    told: float = 0.0
    waiting: bool = False

    def hear(self, pcm: bytes) -> list[Signal]:
        signals = []
        for start in range(0, len(pcm), WINDOW_BYTES):
            signals += self._window(pcm[start : start + WINDOW_BYTES])
        return signals

    def end(self) -> list[Signal]:
        """The turn is over now, whatever the sound says."""
        if self.began is None:
            return []
        self.began, self.waiting = None, False
        return [Signal.END]

    def _window(self, pcm: bytes) -> list[Signal]:
        self.heard += seconds_of(pcm)
        if self.began is not None:
            self.speech += pcm
        if peak(pcm) > LOUD:
            return self._loud(pcm)
        return self._silent()

    def _loud(self, pcm: bytes) -> list[Signal]:
        self.last_loud = self.heard
        if self.began is None:
            self.began = self.start = self.heard - seconds_of(pcm)
            self.told, self.speech = self.heard, pcm
            return [Signal.BEGAN]
        if self.waiting:
            self.waiting = False
            return [Signal.RESUMED]
        if self.heard - self.told >= STEP_SECONDS:
            self.told = self.heard
            return [Signal.MORE]
        return []

    def _silent(self) -> list[Signal]:
        if self.began is None:
            return []
        silence = self.heard - self.last_loud
        if silence >= self.end_silence_seconds:
            return self.end()
        if self.eager and not self.waiting and silence >= EAGER_SILENCE_SECONDS:
            self.waiting = True
            return [Signal.EAGER_END]
        return []
