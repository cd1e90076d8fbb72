"""An agent: one identity, one call, its parts put together.

What the host of an agent may rely on is the public surface of :class:`Agent`. The agent knows nothing of
sessions, pods or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from greenroom.agent.cancellation import outlast
from greenroom.agent.components import Components, guarded
from greenroom.agent.conversation import Conversation
from greenroom.agent.events import (
    AgentFinishEvent,
    AgentJoinedCallEvent,
    AgentLeftCallEvent,
    CallEndedEvent,
    ParticipantJoinedEvent,
    ParticipantLeftEvent,
)
from greenroom.agent.hearing import Hearing
from greenroom.agent.intake import Intake
from greenroom.agent.playout import Playout
from greenroom.agent.presence import Presence
from greenroom.agent.subscriptions import Subscriptions
from greenroom.agent.thinking import Thinking
from greenroom.agent.turns import SilenceTurnDetection
from greenroom.agent.voice import Turn, Voice
from greenroom.observability import MetricsCollector
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from greenroom.agent.interfaces import LLM, STT, TTS, VAD, Call, Connection, Edge, TurnDetection
    from greenroom.agent.participants import Participant, User
    from greenroom.agent.subscriptions import Handler
    from greenroom.observability import AgentMetrics
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")


class Agent:
    """Joins one call, listens, answers, leaves.

    Raises :class:`ValueError` if its parts can process neither audio nor video.
    """

    def __init__(
        self,
        *,
        edge: Edge,
        llm: LLM,
        agent_user: User,
        instructions: str = "",
        stt: STT | None = None,
        tts: TTS | None = None,
        vad: VAD | None = None,
        turn_detection: TurnDetection | None = None,
        processors: Sequence[Any] = (),
        clock: Clock | None = None,
    ) -> None:
        if turn_detection is None and stt is not None:
            turn_detection = SilenceTurnDetection()
        self._parts = Components(edge, llm, stt, tts, vad, turn_detection, tuple(processors))
        self._parts.check()
        self._collector = MetricsCollector()
        self._parts.report_to(self._collector)
        self._id = str(uuid.uuid4())
        self.agent_user = agent_user
        self.instructions = instructions
        self.conversation = Conversation()
        self._clock = clock or SystemClock()
        self._events = Subscriptions()
        self._presence = Presence()
        self._call: Call | None = None
        self._connection: Connection | None = None
        self._intake: Intake | None = None
        self._voice: Voice | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._authenticated = False
        self._entered = False
        self._closing: asyncio.Task[None] | None = None
        self._somebody_came = asyncio.Event()
        self._join_settled = asyncio.Event()
        self._call_over = asyncio.Event()

    # --- what it is ---

    @property
    def id(self) -> str:
        return self._id

    @property
    def edge(self) -> Edge:
        return self._parts.edge

    @property
    def llm(self) -> LLM:
        return self._parts.llm

    @property
    def stt(self) -> STT | None:
        return self._parts.stt

    @property
    def tts(self) -> TTS | None:
        return self._parts.tts

    @property
    def vad(self) -> VAD | None:
        return self._parts.vad

    @property
    def turn_detection(self) -> TurnDetection | None:
        return self._parts.turn_detection

    @property
    def processors(self) -> tuple[Any, ...]:
        return self._parts.processors

    @property
    def metrics(self) -> AgentMetrics:
        return self._collector.metrics

    def adopt_id(self, session_id: str) -> None:
        """Take the name of the session that hosts this agent. RuntimeError once it has begun to join."""
        if self._entered:
            raise RuntimeError(f"agent {self._id} cannot become {session_id}: it has begun to join a call")
        self._id = session_id

    def idle_for(self) -> float:
        """Seconds the agent has been alone in the call; 0.0 before its join is complete and after the call."""
        return self._presence.idle_for(self._clock.boot())

    def on_call_for(self) -> float:
        """Seconds since its join was complete; 0.0 before that and after the call."""
        return self._presence.on_call_for(self._clock.boot())

    def subscribe(self, handler: Handler) -> Handler:
        """Call `handler` with the events (`greenroom.agent.events`) that its argument is annotated with."""
        return self._events.subscribe(handler)

    # --- one call ---

    async def create_call(self, call_type: str, call_id: str) -> Call:
        await self._authenticate()
        return await self.edge.create_call(call_type, call_id)

    @asynccontextmanager
    async def join(self, call: Call, participant_wait_timeout: float | None = 10.0) -> AsyncIterator[None]:
        """Be in `call` within the block; leaving the block closes the agent.

        Waits `participant_wait_timeout` seconds for somebody to be there (0: not at all, None: for ever) and
        goes on alone after that. RuntimeError on a second join and after `close`.
        """
        if self._entered or self._closing is not None:
            raise RuntimeError(f"agent {self._id} has joined a call or was closed: build another one")
        self._entered = True
        body_error: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._enter(call, participant_wait_timeout, group)
                    yield
                except Exception as error:
                    body_error = error  # raised below as itself, not inside a group
                finally:
                    await self.close()
        except BaseExceptionGroup as crashed:
            if body_error is None:
                raise crashed.exceptions[0] from None
            logger.error("[%s] a part of the agent crashed as well", self._id, exc_info=crashed)
        finally:
            await self.close()
        if body_error is not None:
            raise body_error

    async def wait_joined(self) -> None:
        """Returns when the join is complete. RuntimeError if the agent was closed before."""
        await self._join_settled.wait()
        if not self._presence.joined:
            raise RuntimeError(f"agent {self._id} was closed before it had joined its call")

    async def finish(self) -> None:
        """Wait until the call ends; at once before a join and after a close. Cancelled: the agent closes."""
        if not self._entered:
            return
        try:
            await self._call_over.wait()
        except asyncio.CancelledError:
            self._events.emit(AgentFinishEvent())
            await self.close()
            raise

    async def simple_response(self, text: str, *, interrupt: bool = True) -> None:
        """Answer `text` as if a user had said it; returns when the answer has been spoken or cut off."""
        voice = self._in_call("simple_response")
        if interrupt:
            voice.interrupt()
        await self._take(voice, Turn(text))

    async def say(self, text: str, *, interrupt: bool = False) -> None:
        """Say exactly `text`; returns when it has been spoken or cut off."""
        voice = self._in_call("say")
        if interrupt:
            voice.interrupt()
        await self._take(voice, Turn(text, verbatim=True))

    async def close(self) -> None:
        """Leave the call and give everything back. Any number of callers; each returns when all is done.

        Goes on when a caller is cancelled, who then waits for its end too.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"{self._id}-close")
        await outlast(self._closing)

    # --- what the edge reports (greenroom.agent.interfaces.CallSink) ---

    def participant_joined(self, participant: Participant) -> None:
        self._presence.entered(participant)
        self._somebody_came.set()
        self._events.emit(ParticipantJoinedEvent(participant))

    def participant_left(self, participant: Participant) -> None:
        self._presence.left(participant, self._clock.boot())
        self._events.emit(ParticipantLeftEvent(participant))

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        if self._intake is not None and self._presence.holds_floor(participant):
            self._intake.push(pcm)

    def call_ended(self) -> None:
        if self._call_over.is_set():
            return
        for participant in self._presence.participants:
            self._presence.left(participant, self._clock.boot())
        self._events.emit(CallEndedEvent())
        self._call_over.set()

    # --- inside ---

    async def _authenticate(self) -> None:
        if not self._authenticated:
            await self.edge.authenticate(self.agent_user)
            self._authenticated = True

    async def _enter(self, call: Call, patience_seconds: float | None, group: asyncio.TaskGroup) -> None:
        await self._parts.start()
        await self._authenticate()
        self._call = call
        self._connection = await self.edge.join(call, self.agent_user, self._id, self)
        self._events.emit(AgentJoinedCallEvent(call.type, call.id))
        self._build_voice(self._connection, group)
        self._spawn(group, self._events.run(), "events")
        self._spawn(group, self._carry(self._connection), "connection")
        await self._await_somebody(patience_seconds)
        self._presence.agent_joined(self._clock.boot())
        self._join_settled.set()

    def _build_voice(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        playout = Playout(self._clock, connection.send_audio, connection.clear_audio)
        thinking = Thinking(self.llm, self.instructions, self.conversation, self._clock, self._events.emit)
        self._voice = voice = Voice(
            name=self._id,
            thinking=thinking,
            tts=self.tts,
            playout=playout,
            conversation=self.conversation,
            metrics=self._collector,
            emit=self._events.emit,
            clock=self._clock,
        )
        self._spawn(group, playout.run(), "playout")
        self._spawn(group, voice.run(), "voice")
        if self.stt is None or self.vad is None or self.turn_detection is None:
            return
        self._intake = Intake(self.vad.chunk_bytes, self._clock)
        hearing = Hearing(self._intake, self.vad, self.turn_detection, self.stt, voice, self._clock)
        self._spawn(group, hearing.listen(), "listen")
        self._spawn(group, hearing.transcribe(), "transcribe")

    def _spawn(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], part: str) -> None:
        self._tasks.append(group.create_task(work, name=f"{self._id}-{part}"))

    async def _carry(self, connection: Connection) -> None:
        await connection.run()
        self.call_ended()

    async def _await_somebody(self, patience_seconds: float | None) -> None:
        if patience_seconds == 0:
            return
        try:
            async with self._clock.timeout(patience_seconds):
                await self._somebody_came.wait()
        except TimeoutError:
            logger.info("[%s] nobody came within %s s, going on alone", self._id, patience_seconds)

    def _in_call(self, what: str) -> Voice:
        if self._voice is None or self._closing is not None:
            raise RuntimeError(f"agent {self._id}: {what} works only within `async with agent.join(call)`")
        return self._voice

    async def _take(self, voice: Voice, turn: Turn) -> None:
        await voice.take(turn)
        over = asyncio.ensure_future(self._call_over.wait())
        try:
            await asyncio.wait((turn.over, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()

    async def _close(self) -> None:
        """Leave, in this order; a step that fails or hangs does not keep the next from running."""
        self._presence.agent_left()
        await guarded(self._fall_silent(), "stop speaking", self._clock)
        await guarded(self._end_tasks(), "end the tasks", self._clock)
        await guarded(self._leave(), "leave the call", self._clock)
        await self._parts.close(self._clock)  # guards each part
        await guarded(self._events.drain(), "deliver the last events", self._clock)
        self._join_settled.set()
        self._call_over.set()

    async def _fall_silent(self) -> None:
        if self._voice is not None:
            self._voice.interrupt()

    async def _leave(self) -> None:
        if self._call is None or self._connection is None:
            return
        self._events.emit(AgentLeftCallEvent(self._call.type, self._call.id))
        await self._connection.leave()

    async def _end_tasks(self) -> None:
        current = [task for task in self._tasks if not task.done()]
        for task in current:
            task.cancel()
        if current:
            await asyncio.wait(current)
