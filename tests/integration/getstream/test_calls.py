"""An agent in a Stream call: Stream's own SDK, real Opus both ways, the other side played by the fake."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.fakes.stream.scene import Scene, tone

from greenroom.agent.audio import seconds_of
from greenroom.agent.events import (
    CallEndedEvent,
    ConnectionLostEvent,
    ConnectionRestoredEvent,
    ParticipantJoinedEvent,
    ParticipantLeftEvent,
    UserTranscriptEvent,
)
from greenroom.plugins import getstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.stream import FakeStream, Room

LIMIT_SECONDS = 60.0


async def until(condition: Callable[[], object], limit_seconds: float = LIMIT_SECONDS) -> None:
    async with asyncio.timeout(limit_seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_agent_greets_hears_a_question_and_answers_it_aloud(stream: FakeStream, room: Room) -> None:
    scene = Scene(
        stream, hears=["what is the weather"], says=["Hello, how can I help?", "It is sunny and warm in Boston."]
    )
    alice = await room.enter("alice", "Alice")
    call = await scene.agent.create_call("default", "demo")
    assert stream.coordinator.creators == {"default:demo": "agent"}
    assert stream.coordinator.users["agent"]["name"] == "Assistant"
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(call):
        seat = await room.agent()
        await scene.agent.simple_response("Greet the user.")
        await seat.ear.until(lambda ear: ear.sound_seconds >= 0.4)  # five words at 0.1 s, but for the codec's edges
        assert seat.ear.sound_seconds <= 0.6

        await alice.speak(tone(0.8))
        await until(lambda: scene.seen(UserTranscriptEvent))
        assert 0.6 <= seconds_of(scene.stt.fed[0]) <= 2.0
        await seat.ear.until(lambda ear: ear.sound_seconds >= 1.0)
        assert seat.ear.sound_seconds <= 1.4
        await until(lambda: scene.said() == ["Hello, how can I help?", "It is sunny and warm in Boston."])

        await room.leave(alice)
        await room.end()
        await scene.agent.finish()
    joined = [event.participant for event in scene.events if isinstance(event, ParticipantJoinedEvent)]
    assert [(participant.id, participant.name) for participant in joined] == [("alice", "Alice")]


async def test_barge_in_silences_the_agent(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, hears=["stop"], says=["word " * 60, "Yes?"])
    alice = await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        seat = await room.agent()
        speaking = asyncio.create_task(scene.agent.simple_response("Talk."))
        await seat.ear.until(lambda ear: ear.sound_seconds >= 0.5)
        await alice.speak(tone(0.6))
        await speaking
        await until(lambda: scene.seen(UserTranscriptEvent))
        # Six seconds were to be said. Speech is noticed a moment after it begins, then the rest is gone at once.
        assert 0.5 <= seat.ear.sound_seconds <= 4.0
    assert 5 <= len(scene.said()[0].split()) <= 45


async def test_what_was_queued_is_not_played_after_a_stop(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream)
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        scene.agent.join(await scene.agent.create_call("default", "demo"), participant_wait_timeout=0),
    ):
        seat = await room.agent()
        connection = scene.agent._attendance._connection
        assert connection is not None
        pcm = tone(0.5, hertz=880.0)
        for start in range(0, len(pcm), 640):
            connection.send_audio(pcm[start : start + 640])
        await seat.ear.until(lambda ear: ear.sound_seconds >= 0.1)
        connection.clear_audio()
        heard, pcm_heard = seat.ear.sound_seconds, len(seat.ear.pcm)
        await seat.ear.until(lambda ear: seconds_of(ear.pcm[pcm_heard:]) > 0.6)
        assert seat.ear.sound_seconds < heard + 0.15, "what was under way, half of it in the fake's own buffer"
        assert seat.ear.sound_seconds < 0.4


async def test_alone_once_the_last_session_of_the_last_user_has_left(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream)
    desktop, phone = await room.enter("alice"), await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        await room.agent()
        bob = await room.enter("bob")
        await until(lambda: len(scene.seen(ParticipantJoinedEvent)) == 2)
        await room.leave(desktop)
        await room.leave(bob)
        await until(lambda: scene.seen(ParticipantLeftEvent))
        assert scene.agent.idle_for() == 0.0
        await room.leave(phone)
        await until(lambda: scene.agent.idle_for() > 0.0)
    left = [event.participant.id for event in scene.events if isinstance(event, ParticipantLeftEvent)]
    assert left == ["bob", "alice"]


async def test_someone_who_comes_later_is_heard(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, hears=["hello"], says=["Hello."])
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        scene.agent.join(await scene.agent.create_call("default", "demo"), participant_wait_timeout=0),
    ):
        seat = await room.agent()
        bob = await room.enter("bob")
        await until(lambda: scene.seen(ParticipantJoinedEvent))
        await seat.negotiated()
        await bob.speak(tone(0.6))
        await until(lambda: scene.seen(UserTranscriptEvent))


@pytest.mark.parametrize("by", ["sfu", "coordinator"])
async def test_the_end_of_the_call_ends_the_join(stream: FakeStream, room: Room, by: str) -> None:
    scene = Scene(stream)
    await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        seat = await room.agent()
        await (room.end() if by == "sfu" else room.end_by_coordinator())
        await scene.agent.finish()
    assert len(scene.seen(CallEndedEvent)) == 1
    await until(seat.left.is_set)


async def test_a_line_that_falls_is_taken_up_again(
    stream: FakeStream, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "greenroom.getstream")
    scene = Scene(stream, hears=["still there"], says=["I am still here."])
    alice = await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        first = await room.agent()
        await first.cut()
        await until(lambda: "is back" in caplog.text)
        assert "away, reconnecting" in caplog.text
        await until(first.left.is_set)
        second = await room.agent()
        await second.negotiated()
        await alice.speak(tone(0.6))
        await until(lambda: scene.seen(UserTranscriptEvent))
        await second.ear.until(lambda ear: ear.sound_seconds >= 0.3)
        assert scene.seen(ParticipantLeftEvent) == []
        assert scene.agent.idle_for() == 0.0
    assert len(scene.seen(ConnectionLostEvent)) == len(scene.seen(ConnectionRestoredEvent)) == 1


async def test_custom_events_and_figures_reach_the_call_through_stream(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream, says=["Hello."])
    await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        await scene.agent.send_custom_event({"type": "status", "progress": 0.5})
        await scene.agent.simple_response("Greet the user.")
        stream.faults.refuse_requests = 1
        await scene.agent.send_metrics_event(fields=["tts_characters__total"])
    figures = {"type": "agent_metrics", "metrics": {"tts_characters__total": 6}}
    assert stream.coordinator.events == [
        ("default:demo", "agent", {"type": "status", "progress": 0.5}),
        ("default:demo", "agent", figures),
    ]


async def test_an_event_that_stream_refuses_is_the_callers_error(stream: FakeStream, room: Room) -> None:
    scene = Scene(stream)
    await room.enter("alice")
    async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
        stream.faults.refuse_requests, stream.faults.refuse_status = 1, 403
        with pytest.raises(getstream.StreamError, match="did not send an event to call default:demo: not now"):
            await scene.agent.send_custom_event({"type": "status"})
    assert stream.coordinator.events == []


async def test_two_agents_of_one_process_in_two_calls_do_not_mix(stream: FakeStream) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        seats, scenes = [], []
        for number in (1, 2):
            room = stream.room(f"default:call-{number}")
            scene = Scene(stream, hears=[f"text {number}"], says=[f"Answer {number}."])
            scenes.append((scene, await room.enter(f"user-{number}"), room))

        async def take_part(scene: Scene, room: Room, number: int) -> None:
            async with scene.agent.join(await scene.agent.create_call("default", f"call-{number}")):
                await scene.agent.finish()

        async with asyncio.TaskGroup() as group:
            for number, (scene, _, room) in enumerate(scenes, start=1):
                group.create_task(take_part(scene, room, number))
            seats = [await room.agent() for _, _, room in scenes]
            await seats[0].negotiated()
            await scenes[0][1].speak(tone(0.6))
            await seats[0].ear.until(lambda ear: ear.sound_seconds >= 0.1)
            assert seats[1].ear.sound_seconds == 0.0
            assert scenes[1][0].stt.fed == []
            for _, _, room in scenes:
                await room.end()


async def test_ten_joins_and_leaves_leave_nothing_behind(stream: FakeStream, room: Room) -> None:
    kept = []

    async def come_and_go() -> None:
        scene = Scene(stream)
        kept.append(scene.agent)  # as a host that lists ended sessions may
        async with asyncio.timeout(LIMIT_SECONDS), scene.agent.join(await scene.agent.create_call("default", "demo")):
            await room.agent()

    async def five_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(come_and_go())
        await until(lambda: all(seat.left.is_set() for seat in room.seats.values()))
        gc.collect()

    await room.enter("alice")
    await five_at_once()  # now the pools of the SDK and of the loop are as large as they get
    tasks, files, threads = len(asyncio.all_tasks()), count("fd"), count("task")
    for _ in range(2):
        await five_at_once()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    await until(lambda: count("fd") <= files)
    assert count("task") <= threads + 2
    assert len(room.seats) == 15


def count(what: str) -> int:
    """Open files (`fd`) or threads (`task`) of this process, where the system tells."""
    folder = Path("/proc/self") / what
    return len(list(folder.iterdir())) if folder.is_dir() else 0
