"""The other side of a call: a caller who sends frames at the pace of real time, and a wire that plays what is sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from greenroom.agent import calls
from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS
from greenroom.agent.participants import Participant

if TYPE_CHECKING:
    from greenroom.agent.calls import Call, CallSink
    from greenroom.agent.participants import User

CALLER = Participant("caller", "Caller")
LOUD = b"\x10\x27" * (FRAME_BYTES // 2)
QUIET = bytes(FRAME_BYTES)


class Caller:
    """Sends 20 ms every 20 ms, from a moment of its own on: those of several calls do not come together."""

    def __init__(self, receive: Callable[[Participant, bytes], None]) -> None:
        self._receive = receive
        self._frame = QUIET
        self._next_sent = asyncio.Event()

    async def run(self) -> None:
        due = perf_counter() + random.uniform(0, FRAME_SECONDS)
        while True:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            self._receive(CALLER, self._frame)
            self._next_sent.set()
            due += FRAME_SECONDS

    async def speak(self, seconds: float) -> float:
        """Make noise for so long; the moment at which its first frame was sent."""
        self._frame = LOUD
        self._next_sent.clear()
        await self._next_sent.wait()
        began = perf_counter()
        await asyncio.sleep(seconds)
        self._frame = QUIET
        return began


class Connection(calls.Connection):
    """Plays a frame of 20 ms after the other; what was sent and has not begun to play is dropped by a stop."""

    def __init__(self, sink: CallSink) -> None:
        self.sink = sink
        self.frames = 0
        self.silent_from = 0.0
        """When the last sound that was sent so far is over."""
        self.on_frame: Callable[[bytes], None] = lambda frame: None
        self.on_clear: Callable[[], None] = lambda: None
        self._over = asyncio.Event()

    async def run(self) -> None:
        self.sink.participant_joined(CALLER)
        await self._over.wait()

    def send_audio(self, frame: bytes) -> None:
        self.frames += 1
        self.silent_from = max(self.silent_from, perf_counter()) + FRAME_SECONDS
        self.on_frame(frame)

    def clear_audio(self) -> None:
        self.on_clear()
        waiting = self.silent_from - perf_counter()
        if waiting > 0:
            self.silent_from -= waiting // FRAME_SECONDS * FRAME_SECONDS

    async def leave(self) -> None:
        pass

    def hang_up(self) -> None:
        self.sink.participant_left(CALLER)
        self._over.set()


class Edge(calls.Edge):
    """One call."""

    connection: Connection | None = None

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        self.connection = Connection(sink)
        return self.connection
