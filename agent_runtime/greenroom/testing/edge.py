"""An edge whose other side is the test: one caller, who speaks when told to. No network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from greenroom.agent import calls
from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS
from greenroom.agent.participants import Participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.participants import User
    from greenroom_core.clock import Clock

CALLER = Participant("caller", "Caller")


class Edge(calls.Edge):
    """`line` is there once the agent has entered the call; `sound` and `custom_events` are what it has sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.line: Line | None = None
        self.sound = bytearray()
        self.custom_events: list[dict[str, Any]] = []

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Line:
        if self.line is not None:
            raise RuntimeError("the agent joins a second call: a conversation has one")
        self.line = Line(sink, self.sound, self.custom_events, self._clock)
        return self.line


class Line(calls.Connection):
    """The agent's place in the call, and the caller's."""

    def __init__(self, sink: CallSink, sound: bytearray, custom_events: list[dict[str, Any]], clock: Clock) -> None:
        self._sink = sink
        self._sound = sound
        self._custom_events = custom_events
        self._clock = clock
        self._hung_up = asyncio.Event()

    async def run(self) -> None:
        self._sink.participant_joined(CALLER)
        await self._hung_up.wait()

    def send_audio(self, frame: bytes) -> None:
        self._sound += frame

    def clear_audio(self) -> None:
        """Nothing waits here: a frame is heard when it is sent."""

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        self._custom_events.append(dict(data))

    async def leave(self) -> None:
        """Nothing is held."""

    async def speak(self, pcm: bytes) -> None:
        """Send `pcm` to the agent in real time."""
        started = self._clock.boot()
        for number, start in enumerate(range(0, len(pcm), FRAME_BYTES)):
            ahead = started + number * FRAME_SECONDS - self._clock.boot()
            if ahead > 0:
                await self._clock.sleep(ahead)
            self._sink.audio_received(CALLER, pcm[start : start + FRAME_BYTES])

    def hang_up(self) -> None:
        self._hung_up.set()
