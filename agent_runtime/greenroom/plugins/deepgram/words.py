"""The times in Deepgram's answers. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import SpeechOver

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MARKS = 1000


class SentSound:
    """How much sound went out on a connection, and when."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._marks: deque[tuple[float, float]] = deque(maxlen=MAX_MARKS)

    def add(self, seconds: float, now: float) -> None:
        self.seconds += seconds
        self._marks.append((self.seconds, now))

    def age_seconds(self, place_seconds: float, now: float) -> float:
        """How long ago the sound at `place_seconds` went out; 0 if it did not."""
        return next((now - sent_at for until, sent_at in self._marks if until >= place_seconds - 1e-6), 0.0)


def over(text: str, words: Sequence[Any], heard_seconds: Any, sent: SentSound, now: float) -> SpeechOver:
    """The end of a turn that is told `now` and was found when `heard_seconds` of the sound had been listened to.

    Where words have no times, how long the user spoke is not known and counted as 0.
    """
    heard = min(float(heard_seconds), sent.seconds) if isinstance(heard_seconds, int | float) else sent.seconds
    first = _time(words[0], "start") if words else None
    last = _time(words[-1], "end") if words else None
    return SpeechOver(
        text,
        speech_seconds=max(0.0, last - first) if first is not None and last is not None else 0.0,
        silence_seconds=max(0.0, heard - last) if last is not None else 0.0,
        latency_seconds=sent.age_seconds(heard, now),
    )


def _time(word: Any, name: str) -> float | None:
    value = getattr(word, name, None)
    return float(value) if isinstance(value, int | float) else None
