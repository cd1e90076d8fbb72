"""Cameras in a Stream call: asked for if somebody looks, decoded by Stream's SDK from real VP8, seen by processors."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import time
from typing import TYPE_CHECKING

from PIL import Image
from tests.fakes.stream.caller import CAMERA_SIZE, GREEN, RED
from tests.fakes.stream.scene import Scene
from tests.integration.getstream.test_calls import count, until

from greenroom.agent import Participant, VideoProcessor
from greenroom.agent.sight import PictureWish

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.stream import FakeStream, Room

    from greenroom.agent.video import VideoFrame

LIMIT_SECONDS = 60.0


class Looker(VideoProcessor):
    """Knows what is mostly shown: `(who, "red" | "green")`."""

    fps = 10.0

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.sizes: set[tuple[int, int]] = set()
        self.times: list[float] = []
        self._changed = asyncio.Event()

    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        self.times.append(time.monotonic())
        self.seen.append((participant.id, await colour(frame)))
        self.sizes.add((frame.width, frame.height))
        self._changed.set()

    async def until(self, condition: Callable[[list[tuple[str, str]]], bool]) -> None:
        while not condition(self.seen):
            self._changed.clear()
            await self._changed.wait()


async def colour(frame: VideoFrame) -> str:
    image = Image.open(io.BytesIO(await frame.within(64).jpeg()))
    pixel = image.convert("RGB").getpixel((10, 10))
    assert isinstance(pixel, tuple)
    return {0: "red", 1: "green"}[max(range(3), key=lambda band: pixel[band])]


async def test_a_processor_sees_what_a_camera_shows_now(stream: FakeStream, room: Room) -> None:
    looker = Looker()
    scene = Scene(stream, processors=[looker])
    alice = await room.enter("alice", "Alice", film=RED)
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        await looker.until(lambda seen: len(seen) >= 5)
        alice.show(GREEN)
        await looker.until(lambda seen: seen[-1] == ("alice", "green"))
        bob = await room.enter("bob", "Bob", film=RED)
        await looker.until(lambda seen: seen[-1] == ("bob", "red"))
        await room.leave(bob)
        count = len(looker.seen)
        await looker.until(lambda seen: len(seen) >= count + 5)
        assert looker.seen[-1] == ("alice", "green")
        await room.end()
        await scene.agent.finish()
    assert looker.seen[0] == ("alice", "red")
    assert looker.sizes == {CAMERA_SIZE}
    assert all(later - earlier >= 0.099 for earlier, later in itertools.pairwise(looker.times)), "10 a second at most"
    assert scene.agent.metrics.video_frames_processed__total.value() >= 10


async def test_a_camera_that_goes_on_in_the_call_is_seen(stream: FakeStream, room: Room) -> None:
    looker = Looker()
    scene = Scene(stream, processors=[looker])
    alice = await room.enter("alice", "Alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        seat = await room.agent()
        await seat.negotiated()
        assert looker.seen == []
        await room.camera_on(alice, GREEN)
        await looker.until(lambda seen: ("alice", "green") in seen)
        await room.leave(alice)


async def test_a_camera_is_seen_again_after_the_line_fell(stream: FakeStream, room: Room) -> None:
    looker = Looker()
    scene = Scene(stream, processors=[looker])
    alice = await room.enter("alice", "Alice", film=RED)
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        await looker.until(lambda seen: len(seen) > 0)
        first = await room.agent()
        await first.cut()
        await first.left.wait()  # the SDK has come back with a session of its own
        alice.show(GREEN)
        await looker.until(lambda seen: seen[-1] == ("alice", "green"))


async def test_cameras_leave_no_task_socket_or_thread_behind(stream: FakeStream, room: Room) -> None:
    kept = []

    async def look_and_go() -> None:
        looker = Looker()
        scene = Scene(stream, processors=[looker])
        kept.append(scene.agent)  # as a host that lists ended sessions may
        async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
            await looker.until(lambda seen: len(seen) >= 2)

    async def three_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(look_and_go())
        await until(lambda: all(seat.left.is_set() for seat in room.seats.values()))
        gc.collect()

    await room.enter("alice", film=RED)
    await three_at_once()  # now the pools of the SDK and of the loop are as large as they get
    tasks, files, threads = len(asyncio.all_tasks()), count("fd"), count("task")
    await three_at_once()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: count("fd") <= files)
    assert count("task") <= threads + 2


async def test_a_model_that_sees_is_shown_the_camera_with_the_question(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, says=["Hello.", "I see red."], picture_wish=PictureWish())
    await room.enter("alice", "Alice", film=RED)
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        await scene.agent.simple_response("Greet the user.")
        while not scene.llm.requests[-1].pictures:  # the first picture may come after the greeting
            scene.llm.answers.append(scene.llm.answers[0])
            await scene.agent.simple_response("What do you see?")
    (shown,) = scene.llm.requests[-1].pictures
    assert shown.participant == Participant("alice", "Alice")
    assert await colour(shown.frame) == "red"


async def test_where_nobody_looks_no_camera_is_asked_for(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, says=["Hello."])
    await room.enter("alice", "Alice", film=RED)
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        seat = await room.agent()
        await scene.agent.simple_response("Greet the user.")
        await seat.ear.until(lambda ear: ear.sound_seconds > 0)
        await seat.negotiated()
        assert seat.wanted == seat.watched == set()
