"""An agent: one identity, one call, its parts put together.

What the host of an agent may rely on is the public surface of :class:`Agent`. The agent knows nothing of
sessions, pods or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom.agent.attendance import Attendance
from greenroom.agent.broadcasting import METRICS_EVENT, Broadcast
from greenroom.agent.casting import left_out
from greenroom.agent.components import Components, guarded
from greenroom.agent.conversation import Conversation
from greenroom.agent.events import AgentFinishEvent, HostLeavingEvent
from greenroom.agent.film import Film
from greenroom.agent.foreign import check_foreign
from greenroom.agent.instructions import read_instructions
from greenroom.agent.interfaces import STT
from greenroom.agent.stay import Stay
from greenroom.agent.subscriptions import Subscriptions
from greenroom.agent.turn import Turn
from greenroom.agent.turns import SilenceTurnDetection
from greenroom.checkpoints.form import encoded
from greenroom.latest import Latest
from greenroom.observability import MetricsCollector
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from os import PathLike
    from typing import Unpack

    from greenroom.agent.calls import Call, Edge
    from greenroom.agent.casting import Cast
    from greenroom.agent.foreign import ForeignArguments
    from greenroom.agent.interfaces import LLM, TTS, VAD, Component, FunctionSource, TurnDetection
    from greenroom.agent.participants import Participant, User
    from greenroom.agent.realtime import Realtime
    from greenroom.agent.subscriptions import Handler
    from greenroom.agent.turn_taking import TurnTakingSTT
    from greenroom.observability import AgentMetrics
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")


class Agent:
    """Joins one call, listens, answers, leaves.

    An `llm` that hears and speaks itself (:class:`greenroom.agent.Realtime`) needs no `stt`, `tts` and `vad`.
    `instructions` are a text, which may name files below the current directory as `@style.md`, or the path of a file.
    Raises :class:`ValueError` if its parts can process neither audio nor video, and if a file cannot be read.
    """

    def __init__(
        self,
        *,
        edge: Edge,
        llm: LLM | Realtime,
        agent_user: User,
        instructions: str | PathLike[str] = "",
        stt: STT | TurnTakingSTT | None = None,
        tts: TTS | None = None,
        vad: VAD | None = None,
        turn_detection: TurnDetection | None = None,
        processors: Sequence[Any] | None = (),
        mcp_servers: Sequence[FunctionSource] | None = (),
        broadcast_metrics: bool = False,
        broadcast_metrics_interval: float = 5.0,
        clock: Clock | None = None,
        **foreign: Unpack[ForeignArguments],
    ) -> None:
        check_foreign(foreign)
        if turn_detection is None and isinstance(stt, STT):
            turn_detection = SilenceTurnDetection()
        self._parts = Components(
            edge, llm, stt, tts, vad, turn_detection, tuple(processors or ()), tuple(mcp_servers or ())
        )
        self._parts.check()
        self._collector = MetricsCollector()
        self._parts.report_to(self._collector)
        self._id = str(uuid.uuid4())
        self.agent_user = agent_user
        self.instructions = read_instructions(instructions)
        self.conversation = Conversation()
        self._clock = clock or SystemClock()
        self._events = Subscriptions()
        self._answer = Latest()
        self._checkpoint = Latest()
        self._attendance = Attendance(
            self._parts, self.conversation, self._collector, self._events, self._clock, self._answer.tell
        )
        self._broadcast: Broadcast | None = None
        if broadcast_metrics:
            self._broadcast = Broadcast(self.send_metrics_event, broadcast_metrics_interval, self._clock)
        self._authenticated = False
        self._goodbye: Callable[[str], Awaitable[None]] | None = None
        self._stay = Stay(lambda: self._id, self._leave, self._clock)

    # --- what it is ---

    @property
    def id(self) -> str:
        return self._id

    @property
    def edge(self) -> Edge:
        return self._parts.edge

    @property
    def llm(self) -> LLM | Realtime:
        return self._parts.llm

    @property
    def stt(self) -> STT | TurnTakingSTT | None:
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
    def mcp_servers(self) -> tuple[FunctionSource, ...]:
        return self._parts.mcp_servers

    @property
    def metrics(self) -> AgentMetrics:
        return self._collector.metrics

    def adopt_id(self, session_id: str) -> None:
        """Take the name of the session that hosts this agent. RuntimeError once it has begun to join."""
        if self._stay.begun:
            raise RuntimeError(f"agent {self._id} cannot become {session_id}: it has begun to join a call")
        self._id = session_id

    def recast(self, cast: Cast) -> tuple[Edge | Component, ...]:
        """Take other parts, for instance a test's; returns those it has no longer, for the caller to close.

        RuntimeError once it has begun to join, ValueError if the parts do not fit together: then nothing has changed.
        """
        if self._stay.begun or self.closed:
            raise RuntimeError(f"agent {self._id} keeps its parts: it has begun to join a call or was closed")
        own, self._parts = self._parts, cast.taken_by(self._parts)
        self._parts.report_to(self._collector)
        self._attendance.recast(self._parts)
        return tuple(left_out(own, self._parts))

    @property
    def closed(self) -> bool:
        """Whether it is on its way out of its call, or out."""
        return self._stay.over

    def idle_for(self) -> float:
        """Seconds the agent has been alone in the call; 0.0 before its join is complete and after the call."""
        return self._attendance.presence.idle_for(self._clock.boot())

    def on_call_for(self) -> float:
        """Seconds since its join was complete; 0.0 before that and after the call."""
        return self._attendance.presence.on_call_for(self._clock.boot())

    def on_answer(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with what the edge answers to an offer that came with the session: once, at once if it has."""
        self._answer.hear(tell)

    def checkpoint(self, state: dict[str, Any]) -> None:
        """Keep `state` for the session's next attempt, should it have one: `create_agent` and `join_call` get what was
        kept last as `checkpoint`. It is taken as it is now; nothing is written yet.

        ValueError unless it is a dict of JSON's types of at most 16 KiB (16,384 bytes) as JSON.
        """
        self._checkpoint.tell(encoded(state))

    def on_checkpoint(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with each checkpoint, as JSON; at once with the latest, if there is one."""
        self._checkpoint.hear(tell)

    def before_leaving(self, goodbye: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
        """Await `goodbye(reason)` when the host is about to end the call: its pod leaves (`Drained`; `Returned` if a
        new agent goes on in another pod) or the session has lasted as long as it may (`MaxDuration`). It has about 8 s,
        to `await agent.say("I have to go.")` for instance.
        """
        self._goodbye = goodbye
        return goodbye

    async def say_goodbye(self, reason: str) -> None:
        """For the host: what was given to :meth:`before_leaving`. Raises what that raises."""
        if self._goodbye is not None and not self.closed:
            await self._goodbye(reason)

    def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
        """For the host: tells subscribers with a :class:`greenroom.agent.events.HostLeavingEvent`."""
        self._events.emit(HostLeavingEvent(seconds_left, moves))

    def subscribe(self, handler: Handler) -> Handler:
        """Call `handler` with the events (`greenroom.agent.events`) that its argument is annotated with."""
        return self._events.subscribe(handler)

    def set_video_track_override_path(self, path: str) -> None:
        """Show the pictures of a video file, over and over, instead of the call's: to processors and to a model that
        sees. ValueError if there is no such file, ModuleNotFoundError without PyAV, RuntimeError once it has begun to
        join."""
        if self._stay.begun:
            raise RuntimeError(f"agent {self._id} has begun to join a call: set the video file before")
        self._attendance.onlookers.watch(Film(path))

    # --- one call ---

    async def create_call(self, call_type: str, call_id: str) -> Call:
        await self._authenticate()
        return await self.edge.create_call(call_type, call_id)

    @asynccontextmanager
    async def join(self, call: Call, participant_wait_timeout: float | None = 10.0) -> AsyncIterator[None]:
        """Be in `call` within the block; leaving the block closes the agent.

        Waits `participant_wait_timeout` seconds for somebody to be there (0: not at all, None: for ever) and
        goes on alone after that. RuntimeError on a second join, and when `close` comes before the join is complete.
        """
        async with self._stay.within(partial(self._enter, call, participant_wait_timeout)):
            yield

    async def wait_joined(self) -> None:
        """Returns when the join is complete. RuntimeError if the agent was closed before."""
        await self._stay.joined()

    async def finish(self) -> None:
        """Wait until the call ends; at once before a join and after a close. Cancelled: the agent closes."""
        if not self._stay.begun:
            return
        try:
            await self._attendance.over.wait()
        except asyncio.CancelledError:
            self._events.emit(AgentFinishEvent())
            await self.close()
            raise

    async def simple_response(self, text: str, participant: Participant | None = None, interrupt: bool = True) -> None:
        """Answer `text` as if a user (`participant`, if it matters who) had said it.

        Returns when the answer has been spoken or cut off; at once when a subscriber or a function of the model calls.
        """
        del participant  # one conversation for all; taken since agents are written with it
        await self._take(Turn(text), interrupt)

    async def user_said(self, text: str, interrupt: bool = True) -> None:
        """Take `text` as what a user said, for instance typed: it is in the transcript, and the agent answers.

        Returns as :meth:`simple_response` does.
        """
        await self._take(Turn(text, typed=True), interrupt)

    @contextmanager
    def accompanied_by(self, participant: Participant) -> Iterator[None]:
        """Within the block `participant` is in the call without a voice, beside those whom the edge reports."""
        self._attendance.participant_joined(participant, voiceless=True)
        try:
            yield
        finally:
            self._attendance.participant_left(participant)

    async def say(self, text: str, interrupt: bool = False) -> None:
        """Say exactly `text`. Returns as :meth:`simple_response` does."""
        await self._take(Turn(text, verbatim=True), interrupt)

    async def send_custom_event(self, data: dict[str, Any]) -> None:
        """Send `data`, at most 5 KB as JSON, to the programs of those in the call.

        ValueError for other data, RuntimeError outside the call, NotImplementedError where the edge has no way for it.
        """
        if self.closed:
            raise RuntimeError(f"agent {self._id} was closed: an agent can send events only within `agent.join(call)`")
        await self._attendance.send_custom_event(data)

    async def send_metrics_event(self, event_type: str = METRICS_EVENT, fields: Sequence[str] | None = None) -> None:
        """Send the agent's figures, or those in `fields`, as the custom event `{"type": …, "metrics": {…}}`."""
        await self.send_custom_event({"type": event_type, "metrics": self.metrics.to_dict(fields or ())})

    async def close(self) -> None:
        """Leave the call and give everything back. Any number of callers; each returns when all is done.

        Goes on when a caller is cancelled, who then waits for its end too. A subscriber or a function of the model
        that closes the agent does not wait, since the agent waits for it.
        """
        await self._stay.end(waits=not self._attendance.within)

    # --- inside ---

    async def _authenticate(self) -> None:
        if not self._authenticated:
            await self.edge.authenticate(self.agent_user)
            self._authenticated = True

    async def _enter(self, call: Call, patience_seconds: float | None, group: asyncio.TaskGroup) -> None:
        await self._parts.start()
        await self._authenticate()
        await self._attendance.enter(self._id, call, self.agent_user, self.instructions, group)
        await self._attendance.await_somebody(patience_seconds)
        if self._broadcast is not None:
            self._attendance.spawn(group, self._broadcast.run(), "broadcast")
        self._attendance.presence.agent_joined(self._clock.boot())

    async def _take(self, turn: Turn, interrupt: bool) -> None:
        if self.closed:
            raise RuntimeError(f"agent {self._id} was closed: an agent can speak only within `agent.join(call)`")
        await self._attendance.take(turn, interrupt)

    async def _leave(self) -> None:
        """In this order; a step that fails or hangs does not keep the next from running."""
        attendance = self._attendance
        attendance.presence.agent_left()
        await guarded(attendance.fall_silent(), "stop speaking", self._clock)
        await guarded(attendance.end_tasks(), "end the tasks", self._clock)
        await guarded(attendance.leave(), "leave the call", self._clock)
        await self._parts.close(self._clock)  # guards each part
        await guarded(self._events.drain(), "deliver the last events", self._clock)
        attendance.over.set()
