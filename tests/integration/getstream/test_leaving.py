"""Who goes while the agent speaks: a caller for a moment, a caller for good, the network. What the host is told."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.stream.scene import Scene, tone

from greenroom import AgentLauncher
from greenroom.agent.events import (
    AgentTurnEndedEvent,
    ParticipantJoinedEvent,
    ParticipantLeftEvent,
    UserTranscriptEvent,
)
from greenroom.plugins import getstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.fakes.stream import Caller, FakeStream, Room
    from tests.fakes.stream.seat import Seat

    from greenroom import Agent, AgentSession

LIMIT_SECONDS = 60.0
STORY = "word " * 29 + "end."


@dataclass
class Telling:
    """A session whose agent has begun to tell its story, three seconds of it, to `alice`."""

    launcher: AgentLauncher
    session: AgentSession
    scene: Scene
    seat: Seat
    alice: Caller

    async def ended(self) -> tuple[str, str, str]:
        """Phase, reason and message of the session's end."""
        while True:
            (info,) = [info for info in await self.launcher.list_sessions() if info.session_id == self.session.id]
            if info.phase.terminal:
                return info.phase.value, str(info.reason), info.message
            await asyncio.sleep(0.01)


@asynccontextmanager
async def telling(
    stream: FakeStream, room: Room, agent_idle_timeout: float = 60.0, **more: Any
) -> AsyncIterator[Telling]:
    scenes: list[Scene] = []

    async def create_agent() -> Agent:
        scenes.append(Scene(stream, hears=["are you there"], says=[STORY, "I am still here."], **more))
        return scenes[-1].agent

    async def join_call(agent: Agent, call_type: str, call_id: str) -> None:
        async with agent.join(await agent.create_call(call_type, call_id)):
            await agent.simple_response("Tell me a story.")
            await agent.finish()

    launcher = AgentLauncher(create_agent, join_call, agent_idle_timeout=agent_idle_timeout)
    alice = await room.enter("alice", "Alice")
    async with asyncio.timeout(LIMIT_SECONDS), launcher:
        session = await launcher.start_session(room.cid.partition(":")[2])
        seat = await room.agent()
        await seat.ear.until(lambda ear: ear.sound_seconds > 0.5)
        yield Telling(launcher, session, scenes[-1], seat, alice)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def test_a_caller_who_leaves_in_mid_answer_and_comes_back(stream: FakeStream, room: Room) -> None:
    async with telling(stream, room) as told:
        await room.leave(told.alice)
        await until(lambda: told.session.idle_for() > 0)
        again = await room.enter("alice", "Alice")
        await until(lambda: len(told.scene.seen(ParticipantJoinedEvent)) == 2)
        assert told.session.idle_for() == 0.0
        await until(lambda: told.scene.seen(AgentTurnEndedEvent))
        assert told.scene.said() == [STORY.strip()], "it was not cut off: nobody spoke"
        await told.seat.negotiated()
        heard = len(told.seat.ear.pcm)
        await again.speak(tone(0.6))
        await told.seat.ear.until(lambda ear: ear.sounds_after(heard))
        await until(lambda: told.scene.said() == [STORY.strip(), "I am still here."])
        assert [event.text for event in told.scene.seen(UserTranscriptEvent) if event.final] == ["are you there"]  # type: ignore[attr-defined]
        assert len(told.scene.seen(ParticipantLeftEvent)) == 1
        await room.end()
        assert await told.ended() == ("Closed", "Finished", "")


async def test_a_caller_who_leaves_for_good_in_mid_answer(stream: FakeStream, room: Room) -> None:
    async with telling(stream, room, agent_idle_timeout=0.5) as told:
        left_at = time.monotonic()
        await room.leave(told.alice)
        phase, reason, message = await told.ended()
        assert (phase, reason) == ("Closed", "Idle")
        assert "0.5" in message
        assert 0.5 <= time.monotonic() - left_at < 30
        await told.seat.left.wait()
    (ended,) = told.scene.seen(AgentTurnEndedEvent)
    assert ended.interrupted  # type: ignore[attr-defined]
    assert 3 <= len(told.scene.said()[0].split()) < 30, "what was heard until then"


@pytest.mark.parametrize("by", ["sfu", "coordinator"])
async def test_a_call_that_ends_in_mid_sentence(stream: FakeStream, room: Room, by: str) -> None:
    async with telling(stream, room) as told:
        await (room.end() if by == "sfu" else room.end_by_coordinator())
        assert await told.ended() == ("Closed", "Finished", "")
        await told.seat.left.wait()
    assert 3 <= len(told.scene.said()[0].split()) < 30


async def test_a_network_that_goes_away_in_mid_sentence_and_stays_away(stream: FakeStream, room: Room) -> None:
    async with telling(stream, room, reconnect_timeout_seconds=1.0) as told:
        stream.faults.mute_sfu = True
        await told.seat.cut()
        with pytest.raises(getstream.StreamError, match="connection to Stream fell and was not back within 1 s"):
            await told.session.wait()
        phase, reason, message = await told.ended()
        assert (phase, reason) == ("Failed", "AgentError")
        assert message == "StreamError: the connection to Stream fell and was not back within 1 s"


async def test_a_session_that_is_closed_in_mid_sentence(stream: FakeStream, room: Room) -> None:
    async with telling(stream, room) as told:
        assert await told.launcher.close_session(told.session.id, wait=True)
        assert told.seat.left.is_set()
        assert (await told.ended())[:2] == ("Closed", "CloseRequested")
