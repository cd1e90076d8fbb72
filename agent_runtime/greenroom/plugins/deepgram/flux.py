"""What Deepgram's v2 interface (Flux) says, as turns. Pure.

The vendor finds the turns itself and numbers them; what comes late, twice or with parts missing does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import (
    HearingTrouble,
    SpeechBegan,
    SpeechOver,
    SpeechProbablyOver,
    SpeechSoFar,
    SpeechWentOn,
)
from greenroom.plugins.deepgram.words import over
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from greenroom.agent.turn_taking import Heard
    from greenroom.plugins.deepgram.words import SentSound


class FluxTurns:
    """The turns of one connection."""

    def __init__(self) -> None:
        self._open = False
        self._text = ""
        self._over_index = -1

    @property
    def open(self) -> bool:
        """Whether the user is within a turn."""
        return self._open

    def read(self, message: Any, sent: SentSound, now: float) -> list[Heard]:
        """What `message` means, which came `now` after the sound in `sent`.

        Raises :class:`VendorError` for an error in it, :class:`ValueError` if it is no such message.
        """
        kind = getattr(message, "type", None)
        if kind == "Error":
            code, text = getattr(message, "code", ""), getattr(message, "description", "")
            raise VendorError(f"Deepgram gave up: {code}: {text}", retryable=True)
        if kind == "ConfigureFailure":
            text = getattr(message, "description", None) or getattr(message, "code", None) or ""
            return [HearingTrouble(VendorError(f"Deepgram goes on as before, it refused the configuration: {text}"))]
        if kind != "TurnInfo":
            return []
        index, text = getattr(message, "turn_index", None), getattr(message, "transcript", None)
        if not isinstance(index, int) or not isinstance(text, str):
            raise ValueError("a TurnInfo without turn_index or transcript")
        if index <= self._over_index:
            return []
        match getattr(message, "event", None):
            case "StartOfTurn":
                return [*self._begin(), *self._say(text)]
            case "Update":
                return self._say(text)
            case "EagerEndOfTurn":
                self._text = text
                return [*self._begin(), SpeechProbablyOver(text)]
            case "TurnResumed":
                return [SpeechWentOn(), *self._say(text)]
            case "EndOfTurn":
                self._open, self._over_index = False, index
                heard_seconds = getattr(message, "audio_window_end", None)
                return [over(text, getattr(message, "words", None) or (), heard_seconds, sent, now)]
        return []

    def cut(self) -> SpeechOver | None:
        """The end of a turn whose connection broke: what was understood of it."""
        if not self._open:
            return None
        self._open = False
        return SpeechOver(self._text)

    def _begin(self) -> list[Heard]:
        if self._open:
            return []
        self._open, self._text = True, ""
        return [SpeechBegan()]

    def _say(self, text: str) -> list[Heard]:
        if not self._open or not text or text == self._text:
            return []
        self._text = text
        return [SpeechSoFar(text)]
