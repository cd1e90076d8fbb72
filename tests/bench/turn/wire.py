"""The other side of a call: a caller who sends frames at the pace of real time, and a wire that plays what is sent."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
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


SPEECH = (LOUD,) * 7
"""Noise that any ears here take for a turn."""


class Caller:
    """Sends 20 ms every 20 ms, from a moment of its own on: those of several calls do not come together."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._frames: deque[bytes] = deque()
        self._said = asyncio.Event()
        self.began_at = 0.0
        """When the first frame of what it last said was sent."""
        self.ended_at = 0.0
        """When the last one was sent: what it holds has been said by then."""

    async def run(self) -> None:
        due = perf_counter() + random.uniform(0, FRAME_SECONDS)
        while True:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            self._receive(self._next())
            due += FRAME_SECONDS

    async def say(self, frames: Sequence[bytes]) -> None:
        """Returns when the last of `frames` has been sent; silence follows."""
        self._said.clear()
        self.began_at = 0.0
        self._frames.extend(frames)
        await self._said.wait()

    def _next(self) -> bytes:
        if not self._frames:
            return QUIET
        self.ended_at = perf_counter()
        self.began_at = self.began_at or self.ended_at
        frame = self._frames.popleft()
        if not self._frames:
            self._said.set()
        return frame


class Connection(calls.Connection):
    """Plays a frame of 20 ms after the other; what was sent and has not begun to play is dropped by a stop."""

    def __init__(self) -> None:
        self._sink: CallSink | None = None
        self.deaf = False
        """What the caller sends is dropped here, so that sending can be weighed alone."""
        self.frames = 0
        self.silent_from = 0.0
        """When the last sound that was sent so far is over."""
        self.on_frame: Callable[[bytes], None] = lambda frame: None
        self.on_clear: Callable[[], None] = lambda: None

    def enter(self, sink: CallSink) -> None:
        self._sink = sink

    def receive(self, pcm: bytes) -> None:
        """Sound of the caller."""
        if self._sink is not None and not self.deaf:
            self._sink.audio_received(CALLER, pcm)

    async def run(self) -> None:
        if self._sink is not None:
            self._sink.participant_joined(CALLER)
        await asyncio.Event().wait()

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


class Edge(calls.Edge):
    """One call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        self._connection.enter(sink)
        return self._connection
