"""What Deepgram's v1 interface (Nova and older models) says, as turns. Pure.

A turn begins with the first words. SpeechStarted is not used: it comes for a cough too, and would cut the agent off.
It ends with `speech_final` (silence), or, where noise keeps that from coming, with UtteranceEnd (no more words).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import SpeechBegan, SpeechOver, SpeechSoFar
from greenroom.plugins.deepgram.words import over
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from greenroom.agent.turn_taking import Heard
    from greenroom.plugins.deepgram.words import SentSound


class ClassicTurns:
    """The turns of one connection."""

    def __init__(self) -> None:
        self._open = False
        self._certain: list[str] = []
        self._words: list[Any] = []
        self._text = ""
        self._heard_seconds = 0.0

    @property
    def open(self) -> bool:
        """Whether the user is within a turn."""
        return self._open

    def read(self, message: Any, sent: SentSound, now: float) -> list[Heard]:
        """What `message` means, which came `now` after the sound in `sent`.

        Raises :class:`VendorError` for an error in it, :class:`ValueError` if it is no such message.
        """
        match getattr(message, "type", None):
            case "Error":
                text = getattr(message, "description", None) or getattr(message, "message", "")
                raise VendorError(f"Deepgram gave up: {text}", retryable=True)
            case "Results":
                return self._results(message, sent, now)
            case "UtteranceEnd" if self._open:
                return [self._end(sent, now)]
        return []

    def cut(self) -> SpeechOver | None:
        """The end of a turn whose connection broke: what was understood of it."""
        if not self._open:
            return None
        text, self._open = self._text, False
        return SpeechOver(text)

    def _results(self, message: Any, sent: SentSound, now: float) -> list[Heard]:
        best = _best(message)
        text = str(getattr(best, "transcript", None) or "").strip()
        self._heard_seconds = float(getattr(message, "start", 0) or 0) + float(getattr(message, "duration", 0) or 0)
        heard = self._say(text, list(getattr(best, "words", None) or ()), bool(getattr(message, "is_final", False)))
        if getattr(message, "speech_final", False) and self._open:
            heard.append(self._end(sent, now))
        return heard

    def _say(self, text: str, words: list[Any], certain: bool) -> list[Heard]:
        if not text:
            return []
        began: list[Heard] = [] if self._open else [SpeechBegan()]
        self._open = True
        so_far = " ".join((*self._certain, text))
        if certain:
            self._certain.append(text)
            self._words += words
        if so_far == self._text:
            return began
        self._text = so_far
        return [*began, SpeechSoFar(so_far)]

    def _end(self, sent: SentSound, now: float) -> SpeechOver:
        ended = over(self._text, self._words, self._heard_seconds, sent, now)
        self._open, self._certain, self._words, self._text = False, [], [], ""
        return ended


def _best(message: Any) -> Any:
    alternatives = getattr(getattr(message, "channel", None), "alternatives", None) or (None,)
    return alternatives[0]
