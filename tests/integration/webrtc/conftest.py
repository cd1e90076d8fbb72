"""Calls between `local.Edge` and a browser made by aiortc, over this machine's network."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

pytest.importorskip("aiortc", reason="the extra `webrtc` is not installed")

from tests.fakes.browser import Browser

from greenroom.agent.audio import SAMPLE_RATE
from greenroom.agent.calls import Call
from greenroom.agent.participants import User
from greenroom.plugins import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from greenroom.agent.calls import Connection
    from greenroom.agent.participants import Participant
    from greenroom.agent.video import VideoFrame

DEADLINE_SECONDS = 60.0
LEFTOVER_SECONDS = 30.0


class Sink:
    """An agent's end of a call, which writes down what is reported."""

    def __init__(self, *, wants_video: bool = False) -> None:
        self.wants_video = wants_video
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.reports: list[str] = []
        self.heard = bytearray()
        self.seen: list[VideoFrame] = []
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[Sink], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    def participant_joined(self, participant: Participant) -> None:
        self._report(f"{participant.name} joined")

    def participant_left(self, participant: Participant) -> None:
        self._report(f"{participant.name} left")

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        self.heard += pcm
        self._changed.set()

    def video_received(self, participant: Participant, frame: VideoFrame) -> None:
        self.seen.append(frame)
        self._changed.set()

    def call_answered(self, answer: str) -> None:
        self.answer.set_result(answer)

    def connection_lost(self) -> None:
        self._report("lost")

    def connection_restored(self) -> None:
        self._report("restored")

    def call_ended(self) -> None:
        self._report("ended")

    def _report(self, what: str) -> None:
        self.reports.append(what)
        self._changed.set()


class Attended:
    """A connection and the task that carries it, as an agent has them."""

    def __init__(self, sink: Sink, connection: Connection) -> None:
        self.sink = sink
        self.connection = connection
        self.carried = asyncio.create_task(connection.run())

    async def over(self) -> None:
        """The call is over by itself; raises what carrying it raised."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.shield(self.carried)

    async def leave(self) -> None:
        self.carried.cancel()
        await asyncio.wait((self.carried,))
        await self.connection.leave()


async def joined(offer: str, *, video: bool = False, **arguments: Any) -> Attended:
    sink = Sink(wants_video=video)
    connection = await local.Edge(offer, **arguments).join(Call("default", "c"), User(id="agent"), "session-1", sink)
    return Attended(sink, connection)


@asynccontextmanager
async def call(*, video: bool = False, **arguments: Any) -> AsyncIterator[tuple[Browser, Attended]]:
    """A browser and an agent's end, connected; hung up and left at the end, whatever happened."""
    browser = Browser(video=video)
    attended = await joined(await browser.offer(), video=arguments.pop("wants_video", False), **arguments)
    try:
        await browser.take(await attended.sink.answer)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.connected.wait()
        await attended.sink.until(lambda sink: "Caller joined" in sink.reports)
        yield browser, attended
    finally:
        await attended.leave()
        await browser.hang_up()


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    samples = int(SAMPLE_RATE * seconds)
    return array("h", (int(9_000 * math.sin(2 * math.pi * hertz * n / SAMPLE_RATE)) for n in range(samples))).tobytes()


def held() -> dict[str, int]:
    """What calls must give back: tasks, threads, files, and the library's own objects."""
    from aiortc import RTCPeerConnection

    gc.collect()
    kept = [item for item in gc.get_objects() if isinstance(item, RTCPeerConnection)]
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return {
        "tasks": len(tasks),
        "threads": threading.active_count(),
        "native threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0,
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "connections": len(kept),
    }


async def given_back(before: dict[str, int]) -> None:
    """Of what `before` counts nothing more is held, soon; AssertionError says what is."""
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while more := {what: (before[what], now) for what, now in held().items() if now > before.get(what, now)}:
        assert time.monotonic() < deadline, f"still held: {more}, tasks: {asyncio.all_tasks()}"
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(autouse=True)
async def everything_is_given_back() -> AsyncIterator[None]:
    """After each test nothing is held that was not before it."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))  # the browser encodes in it
    await joined_once()
    before = held()
    yield
    await given_back(before)


async def joined_once() -> None:
    """The library is loaded, and the thread that loads it is there."""
    browser = Browser()
    attended = await joined(await browser.offer())
    await attended.leave()
    await browser.hang_up()
