"""When the user's turn begins and ends, by silence alone. Pure: probabilities in, signals out."""

from __future__ import annotations

from dataclasses import dataclass

from greenroom.agent.interfaces import TurnDetection, TurnEnded, TurnStarted


@dataclass(frozen=True, slots=True)
class SilenceSettings:
    """Speech begins after `min_speech_seconds` at `start_probability` or more, and ends after
    `silence_seconds` below `end_probability`. The gap between the two keeps a quiet syllable inside."""

    start_probability: float = 0.5
    end_probability: float = 0.35
    min_speech_seconds: float = 0.06
    silence_seconds: float = 0.3


class SilenceTurnDetection(TurnDetection):
    """The turn ends when the user has been silent for long enough."""

    def __init__(self, settings: SilenceSettings | None = None) -> None:
        self._settings = settings or SilenceSettings()
        self.reset()

    def reset(self) -> None:
        self._speaking = False
        self._speech_seconds = 0.0
        self._silence_seconds = 0.0

    def hear(self, probability: float, seconds: float) -> TurnStarted | TurnEnded | None:
        return self._hear_end(probability, seconds) if self._speaking else self._hear_start(probability, seconds)

    def _hear_start(self, probability: float, seconds: float) -> TurnStarted | None:
        if probability < self._settings.start_probability:
            self._speech_seconds = 0.0
            return None
        self._speech_seconds += seconds
        if self._speech_seconds < self._settings.min_speech_seconds:
            return None
        self._speaking = True
        return TurnStarted(self._speech_seconds)

    def _hear_end(self, probability: float, seconds: float) -> TurnEnded | None:
        if probability >= self._settings.end_probability:
            self._speech_seconds += self._silence_seconds + seconds
            self._silence_seconds = 0.0
            return None
        self._silence_seconds += seconds
        if self._silence_seconds < self._settings.silence_seconds:
            return None
        ended = TurnEnded(self._speech_seconds, self._silence_seconds)
        self.reset()
        return ended
