"""The ears: the caller's sound into turns, and each turn into text while it is being spoken.

Two tasks: one asks voice activity about every chunk and must stay on time, since it is what notices a
barge-in; the other feeds the recogniser, which may lag. Knows nothing of models and voices.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from greenroom.agent.audio import seconds_of, silence
from greenroom.agent.interfaces import TurnEnded, TurnStarted

if TYPE_CHECKING:
    from greenroom.agent.intake import Intake
    from greenroom.agent.interfaces import STT, VAD, TurnDetection, Utterance
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent.hearing")

PRE_ROLL_SECONDS = 0.4  # speech is noticed late; the recogniser gets its beginning too
GAP_SECONDS = 0.25  # a caller who stops sending in mid-speech is silent
WAITING_TURNS = 4
MAX_TURN_SECONDS = 60.0


class Listener(Protocol):
    """Who is told what is heard. Nothing here blocks."""

    def turn_started(self) -> None: ...

    def turn_ended(self, ended: TurnEnded) -> None: ...

    def partial(self, text: str) -> None: ...

    def final(self, text: str, speech_ended_at: float) -> None: ...

    def hearing_failed(self, error: Exception) -> None: ...


@dataclass(slots=True)
class _Turn:
    """One turn between the two tasks: sound that waits for the recogniser, and its end."""

    waiting: bytearray
    changed: asyncio.Event
    heard_seconds: float = 0.0
    ended_at: float | None = None
    speech_ended_at: float = 0.0

    def add(self, pcm: bytes) -> None:
        self.waiting += pcm
        self.heard_seconds += seconds_of(pcm)
        self.changed.set()

    def take(self) -> bytes:
        pcm = bytes(self.waiting)
        self.waiting.clear()
        self.changed.clear()
        return pcm


class Hearing:
    """The ears of one agent in one call."""

    def __init__(
        self, intake: Intake, vad: VAD, turns: TurnDetection, stt: STT, listener: Listener, clock: Clock
    ) -> None:
        self._intake = intake
        self._vad = vad
        self._detection = turns
        self._stt = stt
        self._listener = listener
        self._clock = clock
        self._chunk_seconds = seconds_of(bytes(vad.chunk_bytes))
        self._pre_roll: deque[bytes] = deque(maxlen=int(PRE_ROLL_SECONDS / self._chunk_seconds))
        self._speaking: _Turn | None = None
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue(WAITING_TURNS)

    async def listen(self) -> None:
        """Find the turns in the sound, until cancelled."""
        while True:
            chunk = await self._intake.chunk(GAP_SECONDS if self._speaking else None)
            if chunk is None:
                self._hear_gap()
            else:
                self._hear(chunk, self._vad.speech_probability(chunk))

    async def transcribe(self) -> None:
        """Turn after turn into text, until cancelled."""
        while True:
            turn = await self._turns.get()
            try:
                await self._transcribe_turn(turn)
            except Exception as error:
                self._stt.metrics.on_stt_error()
                self._listener.hearing_failed(error)

    def _hear_gap(self) -> None:
        for _ in range(int(GAP_SECONDS / self._chunk_seconds)):
            if self._speaking is not None:
                self._hear(silence(self._chunk_seconds), 0.0)

    def _hear(self, chunk: bytes, probability: float) -> None:
        signal = self._detection.hear(probability, self._chunk_seconds)
        if self._speaking is not None:
            self._speaking.add(chunk)
            if self._speaking.heard_seconds > MAX_TURN_SECONDS and signal is None:
                self._cut_turn(self._speaking)
        else:
            self._pre_roll.append(chunk)
        match signal:
            case TurnStarted():
                self._start_turn()
            case TurnEnded():
                self._end_turn(signal)
            case None:
                pass

    def _start_turn(self) -> None:
        turn = _Turn(bytearray(b"".join(self._pre_roll)), asyncio.Event())
        turn.heard_seconds = seconds_of(turn.waiting)
        self._pre_roll.clear()
        self._listener.turn_started()
        self._queue(turn)

    def _cut_turn(self, turn: _Turn) -> None:
        """Recognise what there is of an endless turn; for the listener it goes on."""
        turn.ended_at = turn.speech_ended_at = self._clock.boot()
        turn.changed.set()
        self._queue(_Turn(bytearray(), asyncio.Event()))

    def _queue(self, turn: _Turn) -> None:
        self._speaking = turn
        if self._turns.full():
            self._turns.get_nowait()
            logger.warning("a turn of the user was dropped: the recogniser is more than %d behind", WAITING_TURNS)
        self._turns.put_nowait(turn)

    def _end_turn(self, ended: TurnEnded) -> None:
        turn, self._speaking = self._speaking, None
        if turn is None:
            return
        turn.ended_at = self._clock.boot()
        turn.speech_ended_at = turn.ended_at - ended.silence_seconds
        turn.changed.set()
        self._listener.turn_ended(ended)

    async def _transcribe_turn(self, turn: _Turn) -> None:
        utterance = self._stt.utterance()
        try:
            text = await self._recognise(turn, utterance)
        except BaseException:
            await utterance.abandon()
            raise
        ended_at = self._clock.boot() if turn.ended_at is None else turn.ended_at
        self._stt.metrics.on_stt_transcript(
            processing_time_ms=(self._clock.boot() - ended_at) * 1000,
            audio_duration_ms=turn.heard_seconds * 1000,
        )
        self._listener.final(text.strip(), turn.speech_ended_at)

    async def _recognise(self, turn: _Turn, utterance: Utterance) -> str:
        while turn.ended_at is None or turn.waiting:
            await turn.changed.wait()
            if pcm := turn.take():
                partial = await utterance.feed(pcm)
                if partial:
                    self._listener.partial(partial)
        return await utterance.finish()
