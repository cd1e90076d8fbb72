"""A model that hears and speaks in a Stream call: the SDKs of both vendors, real Opus, both other sides are fakes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.fakes.certificates import make_certificate
from tests.fakes.gemini.live import FakeLive
from tests.fakes.gemini.server import said
from tests.fakes.stream.scene import tone
from tests.fakes.vendor_server import KEY

from greenroom.agent import Agent, User
from greenroom.agent.events import AgentErrorEvent, AgentTurnEndedEvent, Event, UserTranscriptEvent
from greenroom.plugins import gemini, getstream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.stream import FakeStream, Room

LIMIT_SECONDS = 60.0
STORY = "This is a long story that goes on and on and on for a good while, as such stories do."

E = TypeVar("E", bound=Event)


def of(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_caller_on_stream_is_heard_answered_and_may_interrupt(
    stream: FakeStream, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    async with FakeLive(tls=certificate.server_context(), pace=2.0) as live:
        live.texts.extend(["Tell me a story", "Stop"])
        live.answers.extend([said(STORY), said("All right.")])
        agent = Agent(
            edge=getstream.Edge(stream.credentials.api_key, stream.credentials.api_secret, stream.url),
            agent_user=User(name="Assistant", id="agent"),
            llm=gemini.Realtime(api_key=KEY, base_url=live.url),
        )
        events: list[Event] = []

        @agent.subscribe
        def keep(event: Event) -> None:
            events.append(event)

        alice = await room.enter("alice", "Alice")
        async with asyncio.timeout(LIMIT_SECONDS), agent.join(await agent.create_call("default", "demo")):
            seat = await room.agent()
            await alice.speak(tone(0.8))
            await seat.ear.until(lambda ear: ear.sound_seconds >= 0.8)
            await alice.speak(tone(0.6))
            while len(of(events, AgentTurnEndedEvent)) < 2:
                await asyncio.sleep(0.01)
            await room.leave(alice)
            await room.end()
            await agent.finish()
        await live.settled()
    assert [event.text for event in of(events, UserTranscriptEvent) if event.final] == ["Tell me a story", "Stop"]
    first, second = of(events, AgentTurnEndedEvent)
    assert first.interrupted
    assert STORY.startswith(first.text)
    assert first.text != STORY
    assert (second.text, second.interrupted) == ("All right.", False)
    assert of(events, AgentErrorEvent) == []
