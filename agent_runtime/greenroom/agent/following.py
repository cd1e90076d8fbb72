"""The ears of a call whose recogniser finds the turns itself: passes sound in and what was heard on.

Knows nothing of models and voices, and nothing of how the recogniser does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, assert_never

from greenroom.agent.audio import silence
from greenroom.agent.hearing import GAP_SECONDS, Listener
from greenroom.agent.interfaces import TurnEnded
from greenroom.agent.turn_taking import (
    HearingTrouble,
    SpeechBegan,
    SpeechOver,
    SpeechProbablyOver,
    SpeechSoFar,
    SpeechWentOn,
)

if TYPE_CHECKING:
    from greenroom.agent.intake import Intake
    from greenroom.agent.turn_taking import Heard, TurnTakingSTT
    from greenroom_core.clock import Clock

TRAILING_SECONDS = 2.0  # a caller who stops sending was perhaps in mid-speech: the recogniser hears silence for so long


class EagerListener(Listener, Protocol):
    """A listener that can prepare an answer before the turn is surely over."""

    def probably_final(self, text: str) -> None: ...

    def went_on(self) -> None: ...


class Following:
    """The ears of one agent in one call. Is the :class:`greenroom.agent.turn_taking.Sound`."""

    def __init__(self, intake: Intake, stt: TurnTakingSTT, listener: EagerListener, clock: Clock) -> None:
        self._intake = intake
        self._stt = stt
        self._listener = listener
        self._clock = clock
        self._open = False
        self._silent_seconds = TRAILING_SECONDS

    async def listen(self) -> None:
        """Hear until cancelled."""
        try:
            await self._stt.hear(self, self._heard)
        except Exception:
            self._stt.metrics.on_stt_error()
            raise

    async def chunk(self, patience_seconds: float | None) -> bytes | None:
        filling = self._open or self._silent_seconds < TRAILING_SECONDS
        chunk = await self._intake.chunk(GAP_SECONDS if filling else patience_seconds)
        if chunk is not None:
            self._silent_seconds = 0.0
        elif filling:
            self._silent_seconds += GAP_SECONDS
            chunk = silence(GAP_SECONDS)
        return chunk

    def _heard(self, heard: Heard) -> None:
        match heard:
            case SpeechBegan():
                self._begin()
            case SpeechSoFar(text):
                self._begin()
                self._listener.partial(text)
            case SpeechProbablyOver(text):
                self._begin()
                self._listener.probably_final(text)
            case SpeechWentOn():
                self._listener.went_on()
            case SpeechOver():
                self._end(heard)
            case HearingTrouble(error):
                self._stt.metrics.on_stt_error()
                self._listener.hearing_failed(error)
            case _:
                assert_never(heard)

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self._listener.turn_started()

    def _end(self, over: SpeechOver) -> None:
        self._begin()
        self._open = False
        self._stt.metrics.on_stt_transcript(
            processing_time_ms=over.latency_seconds * 1000,
            audio_duration_ms=(over.speech_seconds + over.silence_seconds) * 1000,
        )
        self._listener.turn_ended(TurnEnded(over.speech_seconds, over.silence_seconds))
        self._listener.final(over.text.strip(), self._clock.boot() - over.latency_seconds - over.silence_seconds)
