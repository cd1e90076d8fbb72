"""The loop of one call: what is heard becomes a turn, a turn an answer, an answer sound; speech cuts it off.

Owns what may run at one time: one answer. Knows no edge and no session, only where to send sound.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom.agent.cancellation import outlast
from greenroom.agent.conversation import Message, Role
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    UserTranscriptEvent,
    UserTurnEndedEvent,
    UserTurnStartedEvent,
)
from greenroom.agent.interruption import Interruption
from greenroom.agent.sentences import SentenceSplitter
from greenroom.agent.speaking import Speaking
from greenroom.agent.turn import Preparation, Turn
from greenroom.observability.process import WITHDRAWN_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.interfaces import TTS, TurnEnded
    from greenroom.agent.participants import Participant
    from greenroom.agent.playout import Playout, Speech
    from greenroom.agent.thinking import Thinking
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

WAITING_TURNS = 16


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer under way."""

    turn: Turn
    speech: Speech


class Voice:
    """The turns of one call, one answer at a time. Is the :class:`greenroom.agent.following.EagerListener`."""

    def __init__(
        self,
        *,
        name: str,
        thinking: Thinking,
        tts: TTS | None,
        playout: Playout,
        conversation: Conversation,
        speaker: Callable[[], Participant | None],
        metrics: MetricsCollector,
        emit: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._name = name
        self._thinking = thinking
        self._tts = tts
        self._playout = playout
        self._conversation = conversation
        self._who_speaks = speaker
        self._speaker: Participant | None = None
        self._metrics = metrics
        self._emit = emit
        self._clock = clock
        self._turns: asyncio.Queue[Turn] = asyncio.Queue(WAITING_TURNS)
        self._answering: asyncio.Task[None] | None = None
        self._user_speaks = False
        self._held = ""
        self._answer: _Answer | None = None
        self._preparation = Preparation()
        self._interruption = Interruption(name, playout, emit, clock)

    @property
    def withdrawn_answers(self) -> int:
        """Answers that were prepared at an eager end of turn, in vain."""
        return self._preparation.withdrawn

    # --- what others ask of it ---

    async def take(self, turn: Turn) -> None:
        """Say what `turn` wants after the turns before it; waits while many wait already."""
        await self._turns.put(turn)

    def interrupt(self) -> None:
        """Fall silent now, for good. What was said so far stays in the conversation."""
        held_up = self._interruption.open
        self._interruption.end()
        if self._answering is not None:
            self._answering.cancel()
        if self._answering is not None or held_up:  # an answer may be over while it is held up
            self._playout.stop()
            self._settle(interrupted=True)

    async def run(self) -> None:
        """Take turns until cancelled."""
        try:
            while True:
                turn = await self._turns.get()
                if turn.over.done():  # withdrawn before its time came
                    continue
                self._answering = asyncio.create_task(self._take_turn(turn), name=f"{self._name}-answer")
                try:
                    await asyncio.wait((self._answering,))
                finally:
                    await self._end_answer(self._answering)
        finally:
            self._interruption.end()
            while not self._turns.empty():
                self._turns.get_nowait().resolve()

    # --- what the ears report ---

    def turn_started(self) -> None:
        self._user_speaks = True
        self._speaker = self._who_speaks()
        self._withdraw()
        self._emit(UserTurnStartedEvent())
        if self._answering is not None:
            self._interruption.begin()

    def turn_ended(self, ended: TurnEnded) -> None:
        self._user_speaks = False
        self._metrics.on_turn_ended(
            duration_ms=ended.speech_seconds * 1000, trailing_silence_ms=ended.silence_seconds * 1000
        )
        self._emit(UserTurnEndedEvent(ended.speech_seconds, ended.silence_seconds))
        self._interruption.sound_over()

    def partial(self, text: str) -> None:
        if text and self._interruption.open:
            self.interrupt()
        self._emit(UserTranscriptEvent(text, final=False, participant=self._speaker))

    def probably_final(self, text: str) -> None:
        self.partial(text)
        self._withdraw()
        if whole := self._whole(text):
            self._answer_next(self._preparation.begin(whole))

    def went_on(self) -> None:
        self._withdraw()

    def final(self, text: str, speech_ended_at: float) -> None:
        if text:
            if self._interruption.open:
                self.interrupt()
            self._user_said(text, self._speaker)
        elif not self._user_speaks:
            self._interruption.was_false()
        whole = self._whole(text)
        # A user who goes on speaking gets one answer to all of it, not one in the middle.
        self._held = whole if self._user_speaks else ""
        if not self._user_speaks and not self._confirm(whole, speech_ended_at):
            self._withdraw()
            if whole:
                self._answer_next(Turn(whole, speech_ended_at=speech_ended_at))

    def hearing_failed(self, error: Exception) -> None:
        if not self._user_speaks:
            self._interruption.was_false()
        self._report("stt", error)

    # --- an answer that is prepared before the user is surely done ---

    def _whole(self, text: str) -> str:
        return " ".join(filter(None, (self._held, text)))

    def _confirm(self, text: str, speech_ended_at: float) -> bool:
        """Whether the answer to `text` is being prepared; it may be spoken now."""
        turn = self._preparation.confirm(text, speech_ended_at)
        if turn is not None:
            self._conversation.confirm()
            for sentence in turn.untold:
                self._tell(sentence, turn)
        return turn is not None

    def _withdraw(self) -> None:
        turn = self._preparation.withdraw()
        if turn is None:
            return
        WITHDRAWN_ANSWERS.inc()
        logger.info("[%s] a prepared answer was withdrawn, %d so far", self._name, self.withdrawn_answers)
        if self._answer is not None and self._answer.turn is turn:
            self.interrupt()
        else:
            turn.resolve()

    # --- one turn ---

    def _user_said(self, text: str, speaker: Participant | None = None) -> None:
        logger.info("[%s] transcript user: %s", self._name, text)
        self._emit(UserTranscriptEvent(text, final=True, participant=speaker))

    def _answer_next(self, turn: Turn) -> None:
        try:
            self._turns.put_nowait(turn)
        except asyncio.QueueFull:
            logger.warning("[%s] a turn of the user was dropped: %d wait already", self._name, WAITING_TURNS)

    async def _end_answer(self, answering: asyncio.Task[None]) -> None:
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await outlast(answering)
        self._answering = None

    async def _take_turn(self, turn: Turn) -> None:
        speaking = Speaking(self._tts, self._playout, self._clock, turn.wanted)
        speaking.speech.on_first_sound = lambda: self._started(speaking.speech, turn)
        if turn.typed:
            turn.speech_ended_at = self._clock.boot()
            self._user_said(turn.text)
        if not turn.verbatim:
            stands = self._conversation.add if turn.wanted.is_set() else self._conversation.suppose
            stands(Message(Role.USER, turn.text))
        self._answer = _Answer(turn, speaking.speech)
        interrupted = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(speaking.run(), name=f"{self._name}-speak")
                whole = await self._thought(turn, speaking)
                await speaking.finish()
            interrupted = not whole
        except* Exception as errors:
            self._failed(turn, _first(errors))
            await self._playout.drained()  # what is made of it is said to its end
        finally:
            self._settle(interrupted)

    async def _thought(self, turn: Turn, speaking: Speaking) -> bool:
        """Whether all words came. If the model fails in the middle, what it has said is spoken to its end."""
        try:
            await self._words(turn, speaking)
        except Exception as error:
            if not turn.wanted.is_set():
                raise
            self._failed(turn, error)
            return False
        return True

    async def _words(self, turn: Turn, speaking: Speaking) -> None:
        splitter = SentenceSplitter()
        if turn.verbatim:
            for sentence in splitter.push(turn.text):
                await self._say(sentence, turn, speaking)
        else:
            async with aclosing(self._thinking.answer(turn.wanted)) as pieces:
                async for piece in pieces:
                    for sentence in splitter.push(piece):
                        await self._say(sentence, turn, speaking)
        if rest := splitter.rest():
            await self._say(rest, turn, speaking)

    async def _say(self, sentence: str, turn: Turn, speaking: Speaking) -> None:
        if turn.wanted.is_set():
            self._tell(sentence, turn)
        else:
            turn.untold.append(sentence)
        await speaking.say(sentence)

    def _tell(self, sentence: str, turn: Turn) -> None:
        since = turn.speech_ended_at
        self._emit(AgentTranscriptEvent(sentence, None if since is None else self._clock.boot() - since))

    def _started(self, speech: Speech, turn: Turn) -> None:
        response_seconds = None
        if turn.speech_ended_at is not None and speech.first_sound_at is not None:
            response_seconds = speech.first_sound_at - turn.speech_ended_at
            logger.info("[%s] end of speech to first sound: %.0f ms", self._name, response_seconds * 1000)
        self._emit(AgentTurnStartedEvent(response_seconds))

    def _settle(self, interrupted: bool) -> None:
        """The answer is over: it is told, and what was heard of it stands in the conversation. Once an answer."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if answer.turn.wanted.is_set():
            self._said(answer.speech, interrupted)
        else:
            self._conversation.retract()
        answer.turn.resolve()

    def _said(self, speech: Speech, interrupted: bool) -> None:
        heard = speech.heard()
        if heard:
            self._conversation.add(Message(Role.ASSISTANT, heard, interrupted=interrupted))
        logger.info("[%s] transcript agent: %s%s", self._name, heard, " (interrupted)" if interrupted else "")
        self._emit(AgentTurnEndedEvent(heard, interrupted))

    def _failed(self, turn: Turn, error: Exception) -> None:
        """An answer that is only prepared will be asked for again, when it is wanted."""
        if turn.wanted.is_set():
            self._report("answer", error)
        else:
            logger.info("[%s] a prepared answer failed: %s: %s", self._name, type(error).__name__, error)

    def _report(self, part: str, error: Exception) -> None:
        logger.warning("[%s] %s failed, the call goes on: %s: %s", self._name, part, type(error).__name__, error)
        self._emit(AgentErrorEvent(part, error))


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
