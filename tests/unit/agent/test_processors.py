"""Processors in a call on virtual time: their rate, their failures, and that the conversation does not notice."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.scripted_voice import CALLER, tone
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, AudioProcessor, Participant, User, VideoProcessor
from greenroom.agent.audio import FRAME_SECONDS, seconds_of, silence
from greenroom.agent.events import AgentErrorEvent
from greenroom.agent.interfaces import TextDelta
from greenroom.agent.sight import PictureWish
from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CLOCK = VirtualClock()
OTHER = Participant("other", "Other")


class Looker(VideoProcessor):
    def __init__(self, fps: float = 5.0, each: Callable[[int], float | Exception] = lambda _: 0.0) -> None:
        self.fps = fps
        self.each = each
        self.seen: list[tuple[str, VideoFrame]] = []
        self.running = 0
        self.closed = 0

    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        self.seen.append((participant.id, frame))
        step = self.each(len(self.seen))
        if isinstance(step, Exception):
            raise step
        self.running += 1
        try:
            await CLOCK.sleep(step)
        finally:
            self.running -= 1

    async def close(self) -> None:
        assert not self.running, "closed while it was at work"
        self.closed += 1


class Listener(AudioProcessor):
    def __init__(self, busy_seconds: float = 0.0) -> None:
        self.busy_seconds = busy_seconds
        self.heard: dict[str, list[float]] = {}

    async def process_audio(self, participant: Participant, pcm: bytes) -> None:
        self.heard.setdefault(participant.id, []).append(seconds_of(pcm))
        await CLOCK.sleep(self.busy_seconds)


class Untouched:
    def rgb(self, width: int, height: int) -> bytes:
        raise AssertionError("converted, and nobody asked")


def frame() -> VideoFrame:
    return VideoFrame(2, 2, CLOCK.boot(), Untouched())


class Play:
    """An agent with processors in a call that the test plays."""

    def __init__(self, *processors: object, picture_wish: PictureWish | None = None) -> None:
        self.llm = scripted.Llm(CLOCK, [[TextDelta("Yes.")], [TextDelta("Yes.")]])
        self.llm.picture_wish = picture_wish
        self.edge = scripted.Edge(CLOCK)
        self.agent = Agent(
            edge=self.edge,
            llm=self.llm,
            agent_user=User(name="Assistant", id="agent"),
            stt=scripted.Stt(CLOCK, ["one", "two"]),
            tts=scripted.Tts(CLOCK),
            vad=scripted.Vad(),
            processors=processors,
            clock=CLOCK,
        )
        self.errors: list[AgentErrorEvent] = []

        @self.agent.subscribe
        def keep(event: AgentErrorEvent) -> None:
            self.errors.append(event)

    @asynccontextmanager
    async def on_call(self) -> AsyncIterator[scripted.Connection]:
        async with self.agent.join(await self.agent.create_call("default", "c1")):
            assert self.edge.connection is not None
            yield self.edge.connection

    async def film(self, seconds: float, fps: float = 30.0, who: Participant = CALLER) -> None:
        assert self.edge.connection is not None
        for _ in range(round(seconds * fps)):
            self.edge.connection.sink.video_received(who, frame())
            await CLOCK.sleep(1 / fps)


def test_each_processor_gets_the_latest_frames_at_its_own_rate() -> None:
    often, seldom = Looker(10.0), Looker(0.5)
    play = Play(often, seldom)

    async def scene() -> None:
        async with play.on_call():
            await play.film(3.85)

    run_virtual(scene())
    assert 37 <= len(often.seen) <= 40
    assert len(seldom.seen) == 2
    assert {name for name, _ in often.seen} == {"caller"}
    assert seldom.seen[1][1].at - seldom.seen[0][1].at == pytest.approx(2.0, abs=0.05)
    assert often.closed == seldom.closed == 1
    assert often.metrics.metrics.video_frames_processed__total.value() == len(often.seen)
    processed = play.agent.metrics.video_frames_processed__total.value()
    assert processed == len(often.seen) + len(seldom.seen)


def test_a_slow_a_hanging_and_a_failing_one_delay_nobody() -> None:
    slow = Looker(30.0, lambda _: 0.7)
    hanging = Looker(30.0, lambda _: 3600.0)
    failing = Looker(30.0, lambda number: ValueError(f"frame {number}"))
    good = Looker(30.0)
    play = Play(slow, hanging, failing, good)

    async def scene() -> None:
        async with play.on_call() as connection, asyncio.TaskGroup() as group:
            group.create_task(play.film(20.0))
            await connection.speak(tone(1.0) + silence(0.6))
            await CLOCK.sleep(2.0)
            assert play.llm.requests, "the question was answered meanwhile"

    run_virtual(scene())
    assert 550 <= len(good.seen) <= 601
    assert len(slow.seen) == 29
    assert [str(event.error) for event in play.errors if isinstance(event.error, TimeoutError)] == [
        "took longer than 10 s"
    ]
    wrong = [str(event.error) for event in play.errors if isinstance(event.error, ValueError)]
    assert wrong == ["frame 1", "frame 2", "frame 3", "frame 4", "frame 5"], "after 0, 1, 3, 7 and 15 s"
    assert {event.part for event in play.errors} == {"processor"}
    assert failing.metrics.errors["processor"] == 5


class Waiter(VideoProcessor):
    """Waits for what gives up by itself: first a time limit of its own, then something that is cancelled."""

    fps = 30.0

    def __init__(self) -> None:
        self.asked = 0

    async def process_video(self, participant: Participant, frame: VideoFrame) -> None:
        self.asked += 1
        if self.asked == 1:
            raise TimeoutError("the service did not answer")
        if self.asked == 2:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone


def test_what_a_processor_waits_for_may_give_up() -> None:
    waiter = Waiter()
    play = Play(waiter)

    async def scene() -> None:
        async with play.on_call():
            await play.film(4.0)

    run_virtual(scene())
    assert [str(event.error) for event in play.errors] == [
        "the service did not answer",
        "what it waited for was cancelled",
    ]
    assert waiter.asked > 20, "it goes on"


def test_pauses_after_failures_begin_anew_with_a_success() -> None:
    looker = Looker(10.0, lambda number: ValueError("no") if number in (1, 2, 4) else 0.0)
    play = Play(looker)

    async def scene() -> None:
        async with play.on_call():
            await play.film(10.0)

    run_virtual(scene())
    times = [frame.at for _, frame in looker.seen[:5]]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == pytest.approx([1.0, 2.0, 0.1, 1.0], abs=0.05)


def test_who_looks_is_asked_for_before_the_call() -> None:
    async def wanted(play: Play) -> bool:
        async with play.on_call() as connection:
            return connection.sink.wants_video

    assert run_virtual(wanted(Play(Looker())))
    assert run_virtual(wanted(Play(picture_wish=PictureWish())))
    assert not run_virtual(wanted(Play(Listener())))
    assert not run_virtual(wanted(Play()))


def test_frames_that_nobody_wants_are_not_kept() -> None:
    play = Play()

    async def scene() -> None:
        async with play.on_call() as connection:
            await play.film(0.5)
            await connection.speak(tone(1.0) + silence(0.6))
            await CLOCK.sleep(1.0)

    run_virtual(scene())
    assert play.llm.requests[0].pictures == ()


def test_a_model_is_shown_what_there_is_when_the_user_asks() -> None:
    play = Play(picture_wish=PictureWish(count=2, max_age_seconds=3.0))

    async def scene() -> None:
        async with play.on_call() as connection:
            await connection.speak(tone(1.0) + silence(0.6))
            await CLOCK.sleep(1.0)
            async with asyncio.TaskGroup() as group:
                group.create_task(play.film(1.2))
                group.create_task(play.film(1.2, who=OTHER))
                await connection.speak(tone(1.0) + silence(0.6))
            await CLOCK.sleep(1.0)
            connection.sink.participant_left(OTHER)

    run_virtual(scene())
    nothing, seen = (request.pictures for request in play.llm.requests)
    assert nothing == ()
    assert {one.participant.id for one in seen} == {"caller", "other"}
    assert max(one.frame.at for one in seen) - min(one.frame.at for one in seen) < 0.1
    assert "picture" not in str(play.agent.conversation.export())


def test_a_listener_gets_everybody_in_pieces_of_its_own_length() -> None:
    listener = Listener()
    play = Play(listener)

    async def scene() -> None:
        async with play.on_call() as connection:
            connection.sink.participant_joined(OTHER)
            for _ in range(50):
                connection.sink.audio_received(CALLER, silence(FRAME_SECONDS))
                connection.sink.audio_received(OTHER, silence(0.01))
                await CLOCK.sleep(FRAME_SECONDS)

    run_virtual(scene())
    assert listener.heard == {"caller": [pytest.approx(0.1)] * 10, "other": [pytest.approx(0.1)] * 5}


def test_a_listener_that_is_too_slow_loses_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener(busy_seconds=1.0)
    play = Play(listener)
    caplog.set_level("INFO", "greenroom.agent.processing")

    async def scene() -> None:
        async with play.on_call() as connection:
            await connection.speak(silence(10.0))

    run_virtual(scene())
    assert 9 <= len(listener.heard["caller"]) <= 11
    assert "Listener: 7 s of sound dropped, failed 0 times" in caplog.text


class TheirShape:
    async def process_video(self, track: object, participant_id: str, shared_forwarder: object = None) -> None: ...


def test_a_processor_of_another_shape_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"TheirShape has process_video and is no greenroom\.agent\.VideoProcessor"):
        Play(TheirShape())


class Unasync(VideoProcessor):
    def process_video(self, participant: Participant, frame: VideoFrame) -> None: ...  # type: ignore[override]


def test_one_that_would_block_or_never_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Unasync\.process_video is not async: write `async def`"):
        Play(Unasync())
    with pytest.raises(ValueError, match=r"Looker\.fps is 0: more than 0"):
        Play(Looker(fps=0))


def test_an_agent_that_has_left_keeps_no_frame() -> None:
    play = Play(picture_wish=PictureWish())
    frames: list[weakref.ref[Untouched]] = []

    async def scene() -> None:
        async with play.on_call() as connection:
            for _ in range(3):
                picture = Untouched()
                frames.append(weakref.ref(picture))
                connection.sink.video_received(CALLER, VideoFrame(2, 2, CLOCK.boot(), picture))
            del picture
            assert frames[-1]() is not None
        connection.sink.video_received(CALLER, frame())

    run_virtual(scene())
    gc.collect()
    assert [picture() for picture in frames] == [None] * 3


def test_a_call_ends_while_a_processor_is_at_work() -> None:
    looker = Looker(30.0, lambda _: 3600.0)
    play = Play(looker)

    async def scene() -> None:
        async with play.on_call() as connection:
            await play.film(0.2)
            assert looker.running == 1
            connection.hang_up()
            await play.agent.finish()

    run_virtual(scene(), limit_seconds=30.0)
    assert looker.closed == 1
    assert looker.running == 0
