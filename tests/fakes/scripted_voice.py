"""Engines and an edge that do what a test tells them, on whatever clock the test has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom.agent import calls, interfaces
from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, SAMPLE_RATE, peak
from greenroom.agent.participants import Participant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.conversation import ToolCall
    from greenroom.agent.interfaces import ModelRequest, TextDelta, Usage
    from greenroom.agent.participants import User
    from greenroom_core.clock import Clock

CALLER = Participant("caller", "Caller")
SECONDS_PER_WORD = 0.1


def tone(seconds: float) -> bytes:
    """Sound that the scripted VAD takes for speech."""
    return (10_000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds)


class Vad(interfaces.VAD):
    chunk_bytes = 1024

    def speech_probability(self, chunk: bytes) -> float:
        return 1.0 if peak(chunk) > 1000 else 0.0


@dataclass
class Stt(interfaces.STT):
    """Understands `texts`, one a turn; an exception among them is raised at the end of its turn.

    `finish_pauses` are its times for the first turns, `finish_seconds` for the others.
    """

    clock: Clock
    texts: list[str | Exception]
    finish_seconds: float = 0.0
    finish_pauses: list[float] = field(default_factory=list)
    partials: bool = True
    fed: list[bytes] = field(default_factory=list)
    abandoned: int = 0
    closed: int = 0

    def utterance(self) -> interfaces.Utterance:
        self.fed.append(b"")
        return _Utterance(self)

    async def close(self) -> None:
        self.closed += 1


class _Utterance(interfaces.Utterance):
    def __init__(self, stt: Stt) -> None:
        self._stt = stt

    async def feed(self, pcm: bytes) -> str | None:
        self._stt.fed[-1] += pcm
        return f"{len(self._stt.fed[-1])} bytes" if self._stt.partials else None

    async def finish(self) -> str:
        pauses = self._stt.finish_pauses
        await self._stt.clock.sleep(pauses.pop(0) if pauses else self._stt.finish_seconds)
        text = self._stt.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return text

    async def abandon(self) -> None:
        self._stt.abandoned += 1


@dataclass
class Llm(interfaces.LLM):
    """Plays `answers`, one a request: items are passed on, numbers are pauses in seconds, exceptions are raised."""

    clock: Clock
    answers: list[Sequence[TextDelta | ToolCall | Usage | float | Exception]]
    requests: list[ModelRequest] = field(default_factory=list)
    cut_off: int = 0

    async def respond(self, request: ModelRequest) -> AsyncIterator[TextDelta | ToolCall | Usage]:
        self.requests.append(request)
        over = False
        try:
            for step in self.answers.pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await self.clock.sleep(step)
                else:
                    yield step
            over = True
        finally:
            self.cut_off += not over


@dataclass
class Tts(interfaces.TTS):
    """A tenth of a second of tone for each word, `delay_seconds` after it was asked. `failures` are those of the first
    sentences, None for one that is spoken."""

    clock: Clock
    delay_seconds: float = 0.0
    failures: list[Exception | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.asked.append(text)
        await self.clock.sleep(self.delay_seconds)
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        yield tone(SECONDS_PER_WORD * len(text.split()))


@dataclass
class Edge(calls.Edge):
    """One call whose other side is the test."""

    clock: Clock
    somebody_there: bool = True
    join_error: Exception | None = None
    join_seconds: float = 0.0
    closed: int = 0
    connection: Connection | None = None

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        await self.clock.sleep(self.join_seconds)
        if self.join_error is not None:
            raise self.join_error
        self.connection = Connection(self.clock, sink, session_id, self.somebody_there)
        return self.connection

    async def close(self) -> None:
        self.closed += 1


@dataclass
class Connection(calls.Connection):
    clock: Clock
    sink: CallSink
    session_id: str
    somebody_there: bool
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    cleared: int = 0
    unheard_bytes: int = 0
    left: int = 0
    leave_error: Exception | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    crash: Exception | None = None

    async def run(self) -> None:
        if self.somebody_there:
            self.sink.participant_joined(CALLER)
        await self.over.wait()
        if self.crash is not None:
            raise self.crash

    def send_audio(self, frame: bytes) -> None:
        self.sent.append((self.clock.boot(), frame))

    def clear_audio(self) -> None:
        """What of the sound sent has not been played by now is thrown away."""
        self.cleared += 1
        playing_until = 0.0
        for at, _ in self.sent:
            playing_until = max(playing_until, at) + FRAME_SECONDS
        self.unheard_bytes += int(max(0.0, playing_until - self.clock.boot()) / FRAME_SECONDS + 0.01) * FRAME_BYTES

    async def leave(self) -> None:
        self.left += 1
        if self.leave_error is not None:
            raise self.leave_error

    async def speak(self, pcm: bytes) -> None:
        """Send `pcm` to the agent as the caller's, in real time."""
        step = int(SAMPLE_RATE * FRAME_SECONDS) * 2
        for start in range(0, len(pcm), step):
            self.sink.audio_received(CALLER, pcm[start : start + step])
            await self.clock.sleep(FRAME_SECONDS)

    def hang_up(self) -> None:
        self.sink.participant_left(CALLER)
        self.over.set()
