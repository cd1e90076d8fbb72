"""The loop of one call with a model that hears and speaks itself: what it says becomes sound, events and history.

The sibling of :class:`greenroom.agent.voice.Voice`. Knows no edge and no vendor.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, assert_never

from greenroom.agent.audio import duration_ms
from greenroom.agent.conversation import Message, Role
from greenroom.agent.errands import Errands
from greenroom.agent.events import (
    AgentErrorEvent,
    ToolCalledEvent,
)
from greenroom.agent.interfaces import Usage
from greenroom.agent.offering import Offering
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    RealtimeTrouble,
    ReplyCut,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    ResultGiven,
    TextGiven,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)
from greenroom.agent.recital import WAITING_REPLIES, Recital
from greenroom.agent.reply import MAX_WAITING_SECONDS, Reply
from greenroom.agent.user_turn import UserTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.intake import Intake
    from greenroom.agent.participants import Participant
    from greenroom.agent.playout import Playout
    from greenroom.agent.realtime import Opening, Realtime, Said
    from greenroom.agent.sight import View
    from greenroom.agent.tools import ToolResult
    from greenroom.agent.turn import Turn
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

WAITING_TURNS = 16
ANSWER_SECONDS = 30.0  # a model that says nothing to a text for so long does not answer
WORD_FOR_WORD = "Say exactly this, word for word, and nothing else: "


class Dialogue:
    """The turns of one call. Is the :class:`greenroom.agent.talking.Talking`."""

    def __init__(
        self,
        *,
        name: str,
        model: Realtime,
        opening: Callable[[], Opening],
        intake: Intake,
        playout: Playout,
        conversation: Conversation,
        speaker: Callable[[], Participant | None],
        view: View | None,
        emit: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._name = name
        self._model = model
        self._opening = opening
        self._conversation = conversation
        self._view = view
        self._emit = emit
        self._clock = clock
        self._offering = Offering(intake, model.metrics, clock)
        self._errands = Errands(model.toolbox, clock, self._called)
        self._user = UserTurn(
            name=name, conversation=conversation, speaker=speaker, metrics=model.metrics, emit=emit, clock=clock
        )
        self._recital = Recital(
            name=name,
            playout=playout,
            conversation=conversation,
            metrics=model.metrics,
            emit=emit,
            on_cut=lambda reply: self._offering.give(ReplyCut(reply.speech.heard(), reply.heard_seconds)),
            clock=clock,
        )
        self._turns: asyncio.Queue[Turn] = asyncio.Queue(WAITING_TURNS)
        self._coming: Reply | None = None  # the one that the model makes, or is asked for
        self._unheard = False  # the model goes on with a reply that is over for the call

    # --- what others ask of it ---

    async def take(self, turn: Turn) -> None:
        """Say what `turn` wants after the turns before it; waits while many wait already."""
        await self._turns.put(turn)

    def interrupt(self) -> None:
        """Fall silent now. What was said so far stays in the conversation."""
        coming, self._coming = self._coming, None
        if coming is not None and not coming.silent:
            self._unheard = True
        self._recital.cut_off()

    async def run(self) -> None:
        """Converse until cancelled. Raises what the model raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._offering.run,
                    self._errands.run,
                    self._look,
                    self._take_turns,
                    self._recital.run,
                    self._converse,
                ):
                    group.create_task(work(), name=f"{self._name}-{work.__qualname__}")
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self._errands.unwant_all()
            self.interrupt()
            while not self._turns.empty():
                self._turns.get_nowait().resolve()

    async def _look(self) -> None:
        while self._view is not None:
            self._offering.show((await self._view.next()).frame)

    async def _converse(self) -> None:
        try:
            await self._model.converse(self._opening, self._offering, self._hear)
            raise RuntimeError(f"{type(self._model).__name__}.converse returned in the middle of a call")
        except Exception:
            self._model.metrics.on_realtime_error()
            raise

    # --- what the model says ---

    def _hear(self, said: Said) -> None:
        match said:
            case UserBegan():
                self._user_began()
            case UserSoFar(text):
                self._user_began()
                self._user.so_far(text)
            case UserOver():
                self._user.end(self._offering.loud)
            case UserSaid(text):
                self._user.end(self._offering.loud)
                self._user.said(text)
            case ReplySound(pcm):
                self._sound(pcm)
            case ReplyWords(text):
                self._words(text)
            case ReplyOver(whole):
                self._reply_over(whole)
            case ReplyDropped():
                self._reply_dropped()
            case CallsWanted(calls):
                self._begin()
                self._errands.want(calls)
            case CallsUnwanted(ids):
                self._unwanted(ids)
            case Usage(input_tokens, output_tokens):
                self._model.metrics.on_llm_response(input_tokens=input_tokens, output_tokens=output_tokens)
            case RealtimeTrouble(error):
                self._model.metrics.on_realtime_error()
                self._report(error)
            case _:
                assert_never(said)

    def _user_began(self) -> None:
        if self._user.begin():
            self.interrupt()

    def _begin(self) -> Reply | None:
        """The reply that the model is making; None if it is not to be heard."""
        if self._unheard:
            return None
        reply = self._coming
        if reply is None:
            reply = self._coming = Reply(answers_since=self._user.answered())
            self._recital.expect(reply)
        if not reply.begun.is_set() and not self._recital.begin(reply):
            self._drop(reply, f"{WAITING_REPLIES} replies wait to be heard")
            return None
        reply.wants_results = False
        return reply

    def _sound(self, pcm: bytes) -> None:
        self._model.metrics.on_realtime_audio_output(len(pcm), duration_ms(len(pcm)))
        reply = self._begin()
        if reply is not None and not reply.add_sound(pcm):
            self._drop(reply, f"{MAX_WAITING_SECONDS:.0f} s of it wait to be heard")

    def _words(self, text: str) -> None:
        reply = self._begin()
        if reply is not None:
            for sentence in reply.add_words(text):
                self._recital.tell(sentence, reply)

    def _reply_over(self, whole: bool) -> None:
        reply = self._coming
        if self._unheard or reply is None or not reply.begun.is_set():
            self._unheard = False
        else:
            reply.wants_results = reply.silent and self._errands.running
            if not reply.wants_results:
                self._finish(reply, whole)

    def _finish(self, reply: Reply, whole: bool) -> None:
        self._coming = None
        if rest := reply.finish(whole):
            self._recital.tell(rest, reply)

    def _reply_dropped(self) -> None:
        reply = self._coming
        if self._unheard or reply is None or not reply.begun.is_set():
            self._unheard = False
        else:
            self._coming = None
            self._recital.cut_off(reply)

    def _drop(self, reply: Reply, why: str) -> None:
        """Hear no more of `reply`, which is too much."""
        self._coming = None
        self._unheard = True
        reply.finish(whole=False)
        self._report(RuntimeError(f"the rest of a reply was dropped: {why}"))
        if not reply.begun.is_set():
            self._recital.settle(reply, interrupted=True)

    # --- functions ---

    def _unwanted(self, ids: tuple[str, ...]) -> None:
        self._errands.unwant(ids)
        reply = self._coming
        if reply is not None and reply.wants_results and not self._errands.running:
            self._finish(reply, whole=False)

    def _called(self, result: ToolResult, wanted: bool) -> None:
        call = result.call
        self._conversation.add(Message(Role.ASSISTANT, "", tool_calls=(call,)))
        self._conversation.add(Message(Role.TOOL, result.output, tool_call_id=call.id))
        self._model.metrics.on_tool_call(result.duration_seconds * 1000)
        self._emit(ToolCalledEvent(call.name, result.output, result.failed, result.duration_seconds, call.arguments))
        if wanted:
            self._offering.give(ResultGiven(result))

    # --- turns that the agent takes itself ---

    async def _take_turns(self) -> None:
        while True:
            turn = await self._turns.get()
            try:
                await self._recital.all_over()
                await self._ask(turn)
            finally:
                turn.resolve()

    async def _ask(self, turn: Turn) -> None:
        if turn.typed:
            turn.speech_ended_at = self._clock.boot()
            self._user.typed(turn.text)
        elif not turn.verbatim:
            self._conversation.add(Message(Role.USER, turn.text))
        reply = self._coming = Reply(turn, turn.speech_ended_at)
        self._recital.expect(reply)
        self._offering.give(TextGiven(WORD_FOR_WORD + turn.text if turn.verbatim else turn.text))
        try:
            async with self._clock.timeout(ANSWER_SECONDS):
                await reply.begun.wait()
        except TimeoutError:
            if self._coming is reply:
                self._coming = None
            self._report(RuntimeError(f"the model did not answer within {ANSWER_SECONDS:.0f} s"))
            self._recital.settle(reply, interrupted=True)
        await reply.over.wait()

    def _report(self, error: Exception) -> None:
        logger.warning("[%s] realtime failed, the call goes on: %s: %s", self._name, type(error).__name__, error)
        self._emit(AgentErrorEvent("realtime", error))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
