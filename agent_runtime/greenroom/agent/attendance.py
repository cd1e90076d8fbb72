"""An agent's part in one call: what the edge reports, the tasks that carry sound both ways, who is there.

Is the :class:`greenroom.agent.calls.CallSink`. Knows nothing of how an agent is hosted or closed, but gives the
closing its steps.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

from greenroom.agent.broadcasting import check_event
from greenroom.agent.calls import MAX_ANSWER_CHARACTERS
from greenroom.agent.dialogue import Dialogue
from greenroom.agent.events import (
    AgentJoinedCallEvent,
    AgentLeftCallEvent,
    CallEndedEvent,
    ConnectionLostEvent,
    ConnectionRestoredEvent,
    ParticipantJoinedEvent,
    ParticipantLeftEvent,
)
from greenroom.agent.floor import Floor
from greenroom.agent.following import Following
from greenroom.agent.hearing import Hearing
from greenroom.agent.intake import Intake
from greenroom.agent.interfaces import STT
from greenroom.agent.onlookers import Onlookers
from greenroom.agent.playout import Playout
from greenroom.agent.presence import Presence
from greenroom.agent.realtime import Opening, Realtime
from greenroom.agent.thinking import Thinking
from greenroom.agent.turn_taking import TurnTakingSTT
from greenroom.agent.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from greenroom.agent.calls import Call, Connection
    from greenroom.agent.components import Components
    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.interfaces import LLM
    from greenroom.agent.participants import Participant, User
    from greenroom.agent.subscriptions import Subscriptions
    from greenroom.agent.talking import Talking
    from greenroom.agent.turn import Turn
    from greenroom.agent.video import VideoFrame
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

# Whose own tasks run this code: a subscriber or a function of the model must not wait for the agent to be done with it.
_within: ContextVar[Attendance | None] = ContextVar("within", default=None)


class Attendance:
    """From entering a call to having left it; once."""

    def __init__(
        self,
        parts: Components,
        conversation: Conversation,
        collector: MetricsCollector,
        events: Subscriptions,
        clock: Clock,
        on_answer: Callable[[str], None],
    ) -> None:
        self._on_answer = on_answer
        self._parts = parts
        self._conversation = conversation
        self._collector = collector
        self._events = events
        self._clock = clock
        self._name = ""
        self._instructions = ""
        self._call: Call | None = None
        self._connection: Connection | None = None
        self._intake: Intake | None = None
        self._voice: Talking | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._somebody_came = asyncio.Event()
        self.onlookers = Onlookers(parts, self._tell, clock)
        self._floor = Floor()
        self.presence = Presence()
        self.over = asyncio.Event()

    @property
    def within(self) -> bool:
        """Whether the caller is one of this call's own tasks, or was started by one."""
        return _within.get() is self

    def recast(self, parts: Components) -> None:
        """Take `parts` into the call instead, before it is entered."""
        self._parts = parts
        self.onlookers.parts = parts

    async def enter(self, name: str, call: Call, user: User, instructions: str, group: asyncio.TaskGroup) -> None:
        """Be in the call, with every task in `group`."""
        self._name = name
        self._call = call
        self._instructions = instructions
        if isinstance(self._parts.llm, Realtime):
            await self._parts.llm.prepare(self._opening)
        self._connection = await self._parts.edge.join(call, user, name, self)
        self._tell(AgentJoinedCallEvent(call.type, call.id))
        self.spawn(group, self._events.run(), "events")
        self._begin_to_talk(self._connection, group)
        for work in self.onlookers.works(name):
            self.spawn(group, work, "onlooker")
        self.spawn(group, self._carry(self._connection), "connection")

    async def await_somebody(self, patience_seconds: float | None) -> None:
        """Somebody is there, or `patience_seconds` have passed (None: never, 0: at once)."""
        if patience_seconds == 0:
            return
        try:
            async with self._clock.timeout(patience_seconds):
                await self._somebody_came.wait()
        except TimeoutError:
            logger.info("[%s] nobody came within %s s, going on alone", self._name, patience_seconds)

    async def take(self, turn: Turn, interrupt: bool) -> None:
        """Say what `turn` wants, and wait until it has been said or cut off, unless called from within."""
        if self._voice is None:
            raise RuntimeError("an agent can speak only within `async with agent.join(call)`")
        if interrupt:
            self._voice.interrupt()
        await self._voice.take(turn)
        if self.within:
            return
        over = asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait((turn.over, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        """Send `data` to those in the call, as :meth:`greenroom.agent.Agent.send_custom_event` says."""
        check_event(data)
        if self._connection is None:
            raise RuntimeError("an agent can send events only within `async with agent.join(call)`")
        await self._connection.send_custom_event(data)

    # --- the steps of leaving, in this order ---

    async def fall_silent(self) -> None:
        if self._voice is not None:
            self._voice.interrupt()

    async def end_tasks(self) -> None:
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def leave(self) -> None:
        if self._call is None or self._connection is None:
            return
        self._tell(AgentLeftCallEvent(self._call.type, self._call.id))
        self.onlookers.close()
        await self._connection.leave()

    # --- what the edge reports ---

    def participant_joined(self, participant: Participant, *, voiceless: bool = False) -> None:
        self.presence.entered(participant, voiceless=voiceless)
        self._somebody_came.set()
        self._tell(ParticipantJoinedEvent(participant))

    def participant_left(self, participant: Participant) -> None:
        self.presence.left(participant, self._clock.boot())
        self._floor.left(participant)
        self.onlookers.participant_left(participant)
        self._tell(ParticipantLeftEvent(participant))

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        self.onlookers.audio_received(participant, pcm)
        if self._intake is None:
            return
        alone = self.presence.voices < 2
        if heard := self._floor.heard(participant, pcm, self._clock.boot(), alone=alone):
            self._intake.push(heard)

    def connection_lost(self) -> None:
        self._tell(ConnectionLostEvent())

    def connection_restored(self) -> None:
        self._tell(ConnectionRestoredEvent())

    def call_ended(self) -> None:
        if self.over.is_set():
            return
        for participant in self.presence.participants:
            self.presence.left(participant, self._clock.boot())
        self._tell(CallEndedEvent())
        self.over.set()

    @property
    def wants_video(self) -> bool:
        return self.onlookers.want_video

    def video_received(self, participant: Participant, frame: VideoFrame) -> None:
        self.onlookers.video_received(participant, frame)

    def call_answered(self, answer: str) -> None:
        if len(answer) > MAX_ANSWER_CHARACTERS:
            raise ValueError(f"the edge's answer has {len(answer)} characters, at most {MAX_ANSWER_CHARACTERS} fit")
        self._on_answer(answer)

    # --- inside ---

    def _tell(self, event: Event) -> None:
        self._events.emit(event)
        if self._connection is not None:
            self._connection.show(event)

    async def _carry(self, connection: Connection) -> None:
        await connection.run()
        self.call_ended()

    def _begin_to_talk(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        playout = Playout(self._clock, connection.send_audio, connection.clear_audio)
        self.spawn(group, playout.run(), "playout")
        llm = self._parts.llm
        if isinstance(llm, Realtime):
            self._voice = self._dialogue(llm, playout)
        else:
            self._voice = voice = self._spoken(llm, playout)
            self._begin_to_listen(voice, group)
        self.spawn(group, self._voice.run(), "voice")

    def _opening(self) -> Opening:
        return Opening(self._instructions, self._conversation.messages, self._parts.llm.toolbox.tools)

    def _dialogue(self, model: Realtime, playout: Playout) -> Dialogue:
        self._intake = Intake(model.chunk_bytes, self._clock)
        return Dialogue(
            name=self._name,
            model=model,
            opening=self._opening,
            intake=self._intake,
            playout=playout,
            conversation=self._conversation,
            speaker=lambda: self._floor.holder,
            view=self.onlookers.view(model.fps) if model.fps else None,
            emit=self._tell,
            clock=self._clock,
        )

    def _spoken(self, llm: LLM, playout: Playout) -> Voice:
        thinking = Thinking(
            llm, self._instructions, self._conversation, self._clock, self._tell, self.onlookers.pictures
        )
        return Voice(
            name=self._name,
            thinking=thinking,
            tts=self._parts.tts,
            playout=playout,
            conversation=self._conversation,
            speaker=lambda: self._floor.holder,
            metrics=self._collector,
            emit=self._tell,
            clock=self._clock,
        )

    def _begin_to_listen(self, voice: Voice, group: asyncio.TaskGroup) -> None:
        vad, stt, turns = self._parts.vad, self._parts.stt, self._parts.turn_detection
        if isinstance(stt, TurnTakingSTT):
            self._intake = Intake(stt.chunk_bytes, self._clock)
            following = Following(self._intake, stt, voice, self._clock)
            self.spawn(group, following.listen(), "listen")
            return
        if vad is None or not isinstance(stt, STT) or turns is None:
            return
        self._intake = Intake(vad.chunk_bytes, self._clock)
        hearing = Hearing(self._intake, vad, turns, stt, voice, self._clock)
        self.spawn(group, hearing.listen(), "listen")
        self.spawn(group, hearing.transcribe(), "transcribe")

    def spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], part: str) -> None:
        context = copy_context()
        context.run(_within.set, self)
        self._tasks.append(group.create_task(work, name=f"{self._name}-{part}", context=context))
