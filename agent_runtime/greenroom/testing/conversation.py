"""A conversation of a test with an agent: says something, waits for the answer, gives what happened.

Every wait has a limit and ends when the call does. Nothing of the agent is left after the block.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from greenroom.agent import Agent
from greenroom.agent.audio import silence
from greenroom.agent.cancellation import outlast
from greenroom.agent.casting import Cast
from greenroom.agent.components import guarded
from greenroom.agent.events import Event
from greenroom.agent.realtime import Realtime
from greenroom.checkpoints.form import decoded, encoded
from greenroom.testing.edge import Edge
from greenroom.testing.log import CallOver, Log
from greenroom.testing.passages import answer_to_speech, answer_to_text, next_answer, next_event
from greenroom.testing.realtime import ScriptedRealtime
from greenroom.testing.script import ScriptError
from greenroom.testing.scripted import ScriptedSTT, tone
from greenroom.testing.sound import Speaker, recorded
from greenroom.testing.stay import Stay, join_and_wait
from greenroom.testing.turn import Turn
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from greenroom.agent import LLM, STT, TTS, VAD
    from greenroom.agent.interfaces import FunctionSource
    from greenroom.agent.turn_taking import TurnTakingSTT
    from greenroom.testing.edge import Line
    from greenroom.testing.passages import Passage
    from greenroom_core.clock import Clock

EventType = TypeVar("EventType", bound=Event)

LEAD_IN_SECONDS = 0.3
LEAD_OUT_SECONDS = 2.0  # a caller who has spoken sends silence for so long, or until the answer is over
SCRIPTED_SPEECH_SECONDS = 0.2


class Conversation:
    """`async with Conversation(create_agent, parameters={…}) as talk:`; the agent is in a call within the block.

    `agent` is the agent's `create_agent` (sync or async), which gets those of the `parameters` that it takes, or an
    agent that has not joined. `join_call(agent, call_type, call_id, …)` is the agent file's, for what the agent does by
    itself, such as to greet; without it the agent joins and waits for the end. `checkpoint` is what an agent before it
    has kept, as if it were a later attempt of its session; ValueError for what could not have been kept.

    The call is the test's: the agent's own edge is closed unused. `llm`, `stt`, `tts`, `vad` take the place of the
    agent's own, functions of the model included, `mcp_servers` that of all its own; `text_only` leaves the agent
    without ears and voice, so that nothing of them starts. `voice` speaks the texts that are given to :meth:`speak`
    (None: the local engine).

    `limit_seconds` is how long each wait may take, `start_seconds` how long the agent may take to be in the call and
    to close. What the agent's code raises is raised at the wait that it ends, else at the end of the block.
    """

    def __init__(
        self,
        agent: Agent | Callable[..., Any],
        join_call: Callable[..., Awaitable[Any]] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        checkpoint: dict[str, Any] | None = None,
        llm: LLM | Realtime | None = None,
        stt: STT | TurnTakingSTT | None = None,
        tts: TTS | None = None,
        vad: VAD | None = None,
        text_only: bool = False,
        mcp_servers: Sequence[FunctionSource] | None = None,
        voice: TTS | None = None,
        call_type: str = "default",
        call_id: str = "test-call",
        limit_seconds: float = 10.0,
        start_seconds: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._parameters = dict(parameters or {})
        self._earlier = decoded(encoded(checkpoint)) if checkpoint is not None else None
        self._clock = clock or SystemClock()
        self._edge = Edge(self._clock)
        cast = Cast(self._edge, llm, stt, tts, vad, text_only, mcp_servers)
        create_agent = (lambda: agent) if isinstance(agent, Agent) else agent
        self._stay = Stay(create_agent, join_call or join_and_wait, cast, self._clock)
        self._speaker = Speaker(voice)
        self._call_name = (call_type, call_id)
        self._limit_seconds = limit_seconds
        self._start_seconds = start_seconds
        self._log: Log | None = None
        self._answered: set[int] = set()
        self._error_raised = False

    # --- what there is ---

    @property
    def agent(self) -> Agent:
        """The agent under test. RuntimeError outside the block."""
        if self._stay.agent is None:
            raise RuntimeError("there is no agent yet: use `async with Conversation(…) as talk`")
        return self._stay.agent

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happened, from the join on."""
        return tuple(entry.event for entry in self._events.entries)

    @property
    def agent_sound(self) -> bytes:
        """What the agent sent into the call: 16 kHz, 16-bit, mono, without the pauses between answers."""
        return bytes(self._edge.sound)

    @property
    def custom_events(self) -> tuple[dict[str, Any], ...]:
        """What the agent sent with `send_custom_event` and `send_metrics_event`."""
        return tuple(self._edge.custom_events)

    @property
    def checkpoint(self) -> dict[str, Any] | None:
        """What the agent has kept last, as its session's next attempt would get it; None if it has not."""
        return self._stay.checkpoint

    # --- the block ---

    async def __aenter__(self) -> Self:
        if self._log is not None:
            raise RuntimeError("a conversation is entered once: make another one")
        self._log = Log(self._clock)
        try:
            async with self._log.limited(self._start_seconds, "the agent to be built and to join"):
                await self._stay.begin(self._parameters, self._earlier, *self._call_name, self._log)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        crash = await self._end()
        if crash is not None and error is None and not self._error_raised:
            raise crash

    # --- turns ---

    async def say(self, text: str, *, interrupt: bool = False, within: float | None = None) -> Turn:
        """The user says `text`, without sound; the turn when its answer is over.

        An answer that is being given is finished first, unless `interrupt`.
        """
        mark = len(self._events.entries)
        async with self._waiting(within, f"the answer to {text!r}") as log:
            log.check(f"the answer to {text!r}")
            await self.agent.user_said(text, interrupt=interrupt)
            return await self._turn(await log.until(answer_to_text(mark, text), f"the answer to {text!r}"))

    async def speak(self, sound: str | Path | bytes, *, within: float | None = None) -> Turn:
        """The user speaks in real time; the turn when its answer is over. Whoever speaks interrupts.

        `sound` is a text that `voice` speaks, the path of a wav file, or samples, in both cases 16 kHz, 16-bit, mono.
        The time limit counts from the end of the sound.
        """
        if self.agent.stt is None and not isinstance(self.agent.llm, Realtime):
            raise RuntimeError("the agent cannot hear: give it ears, for instance stt=ScriptedSTT()")
        pcm, what = await self._sound(sound)
        mark = len(self._events.entries)
        await self._line.speak(silence(LEAD_IN_SECONDS) + pcm)
        trailing = asyncio.create_task(self._line.speak(silence(LEAD_OUT_SECONDS)), name="caller-silence")
        try:
            async with self._waiting(within, what) as log:
                return await self._turn(await log.until(answer_to_speech(mark), what))
        finally:
            trailing.cancel()
            with suppress(asyncio.CancelledError):
                await outlast(trailing)

    async def listen(self, *, within: float | None = None) -> Turn:
        """The next answer that no turn has yet, such as a greeting."""
        async with self._waiting(within, "the agent to speak by itself") as log:
            return await self._turn(await log.until(next_answer(self._answered), "the agent to speak by itself"))

    async def wait_for(self, event_type: type[EventType], *, within: float | None = None, **values: Any) -> EventType:
        """The first event of this type and with these values since the latest turn that the test was given."""
        what = " ".join((event_type.__name__, *(f"{name}={value!r}" for name, value in values.items())))
        mark = max(self._answered, default=-1) + 1
        async with self._waiting(within, what) as log:
            return await log.until(next_event(mark, event_type, values), what)

    async def hang_up(self, *, within: float | None = None) -> None:
        """The user leaves; returns when the agent has closed and `join_call` is over. Raises what that raised."""
        self._line.hang_up()
        async with self._waiting(within, "the agent to leave after the user hung up"):
            try:
                await self._stay.over()
            except Exception:
                self._error_raised = True
                raise

    # --- inside ---

    @property
    def _events(self) -> Log:
        if self._log is None:
            raise RuntimeError("the conversation has not begun: use `async with Conversation(…) as talk`")
        return self._log

    @property
    def _line(self) -> Line:
        if self._edge.line is None:
            raise RuntimeError("the agent is in no call: use `async with Conversation(…) as talk`")
        return self._edge.line

    @asynccontextmanager
    async def _waiting(self, within: float | None, what: str) -> AsyncIterator[Log]:
        log = self._events
        try:
            async with log.limited(self._limit_seconds if within is None else within, what):
                yield log
        except CallOver:
            self._error_raised = True
            raise

    async def _turn(self, passage: Passage) -> Turn:
        self._answered.add(passage.answer)
        turn = Turn(passage.entries)
        if turn.interrupted and self.agent.closed:  # the end of the call cut it off: by an error?
            await self._stay.settled()
            if self._events.error is not None:
                self._events.check("the end of the answer")
        for error in turn.errors:
            if isinstance(error, ScriptError):
                raise ScriptError(f"{error}; {turn}") from error
        return turn

    async def _sound(self, sound: str | Path | bytes) -> tuple[bytes, str]:
        """Samples, and what is awaited when they are sent."""
        if isinstance(sound, bytes):
            return sound, "the answer to the sound"
        if isinstance(sound, Path):
            return await asyncio.to_thread(recorded, sound), f"the answer to {sound}"
        what = f"the answer to {sound!r}, spoken"
        if isinstance(ears := self.agent.stt or self.agent.llm, ScriptedSTT | ScriptedRealtime):  # any sound will do
            ears.expect(sound)
            return tone(SCRIPTED_SPEECH_SECONDS), what
        async with self._events.limited(self._start_seconds, f"the voice to speak {sound!r}"):
            return await self._speaker.speech(sound), what

    async def _end(self) -> BaseException | None:
        error = await self._stay.end(self._start_seconds)
        await guarded(self._speaker.close(), "close the caller's voice", self._clock)
        return error
