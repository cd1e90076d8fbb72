"""The times in Deepgram's answers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import SpeechOver

if TYPE_CHECKING:
    from collections.abc import Sequence


def over(text: str, words: Sequence[Any], heard_seconds: Any, sent_seconds: float) -> SpeechOver:
    """The end of a turn that was found when `heard_seconds` of the `sent_seconds` of sound had been listened to.

    Where words have no times, how long the user spoke is not known and counted as 0.
    """
    heard = min(float(heard_seconds), sent_seconds) if isinstance(heard_seconds, int | float) else sent_seconds
    first = _time(words[0], "start") if words else None
    last = _time(words[-1], "end") if words else None
    return SpeechOver(
        text,
        speech_seconds=max(0.0, last - first) if first is not None and last is not None else 0.0,
        silence_seconds=max(0.0, heard - last) if last is not None else 0.0,
        latency_seconds=sent_seconds - heard,
    )


def _time(word: Any, name: str) -> float | None:
    value = getattr(word, name, None)
    return float(value) if isinstance(value, int | float) else None
