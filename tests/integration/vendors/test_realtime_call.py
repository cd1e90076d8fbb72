"""Whole calls with gemini.Realtime on the real SDK: the caller is made of sound, the vendor is the fake Live API."""

from __future__ import annotations

import asyncio
import wave
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.gemini.__main__ import recognise
from tests.fakes.gemini.server import said
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent import Agent, User
from greenroom.agent.audio import SAMPLE_RATE, silence
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    Event,
    ToolCalledEvent,
    UserTranscriptEvent,
    UserTurnStartedEvent,
)
from greenroom.plugins import gemini, local, wav
from greenroom.plugins.gemini.client import CLIENTS
from greenroom.plugins.vendor import Backoff, VendorError
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fakes.gemini.live import FakeLive

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)
QUESTION = "What is the weather in Boston?"
STORY = "This is a long story that goes on and on and on for a good while, as such stories do."
LIMIT_SECONDS = 60
E = TypeVar("E", bound=Event)


@dataclass
class Scene:
    """An agent, and what happened in its call."""

    agent: Agent
    edge: scripted.Edge
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int = 1) -> E:
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.of(kind)) < count:
                await asyncio.sleep(0.005)
        return self.of(kind)[count - 1]

    @property
    def connection(self) -> scripted.Connection:
        assert self.edge.connection is not None
        return self.edge.connection

    async def speak(self, seconds: float = 0.5) -> None:
        await self.connection.speak(silence(0.1) + (8000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds))

    def history(self) -> list[tuple[str, str]]:
        return [(message.role.value, message.text) for message in self.agent.conversation.messages]


@asynccontextmanager
async def on_call(server: FakeLive, **more: Any) -> AsyncIterator[Scene]:
    edge = scripted.Edge(SystemClock())
    llm = gemini.Realtime(**{"api_key": KEY, "base_url": server.url, "backoff": QUICK} | more)
    scene = Scene(Agent(edge=edge, agent_user=User(id="agent"), instructions="Be brief.", llm=llm), edge)

    @scene.agent.subscribe
    def keep(event: Event) -> None:
        scene.events.append(event)

    async with scene.agent.join(await scene.agent.create_call("default", "call-1")):
        yield scene
    assert CLIENTS.count == 0


async def test_a_spoken_question_is_heard_answered_aloud_and_understood(
    gemini_live: FakeLive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hibari", reason="the extra `local` is not installed")
    gemini_live.recognise = recognise
    gemini_live.voice = local.TTS(seed=1).synthesize
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini_live.url)
    caller = wav.Caller([QUESTION], voice=local.TTS(seed=7), hang_up_after_answer=True)
    llm = gemini.Realtime(voice="Puck")
    await llm.warmup()
    agent = Agent(edge=wav.Edge(caller, record_dir=tmp_path), agent_user=User(id="agent"), llm=llm)

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny."

    events: list[Event] = []

    @agent.subscribe
    def keep(event: Event) -> None:
        events.append(event)

    async with asyncio.timeout(60), agent.join(await agent.create_call("default", "call-1")):
        await agent.finish()

    heard = [event.text for event in events if isinstance(event, UserTranscriptEvent) and event.final]
    assert {"weather", "boston"} <= set(heard[0].lower().split())
    (called,) = [event for event in events if isinstance(event, ToolCalledEvent)]
    assert (called.name, called.output) == ("get_weather", "The weather in Boston is sunny.")
    (started,) = [event for event in events if isinstance(event, AgentTurnStartedEvent)]
    assert started.response_seconds is not None
    assert 0.3 < started.response_seconds < 30
    roles = [message.role.value for message in agent.conversation.messages]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert agent.conversation.messages[-1].text == "The weather in Boston is sunny."
    with wave.open(str(tmp_path / f"{agent.id}.wav")) as recording:
        answer = recording.readframes(recording.getnframes())
    assert {"weather", "boston", "sunny"} <= set((await recognise(answer)).split())
    figures = agent.metrics.to_dict()
    assert all(figures[name] for name in figures if name.startswith("realtime_")), figures
    assert [event for event in events if isinstance(event, AgentErrorEvent)] == []


async def test_who_speaks_into_the_answer_silences_it_and_is_answered(gemini_live: FakeLive) -> None:
    gemini_live.texts.append("Stop")
    story = f"{STORY} {STORY}"
    gemini_live.answers.append(said(story))
    gemini_live.answers.append(said("All right."))
    silenced_at: list[float] = []
    async with on_call(gemini_live) as scene:

        @scene.agent.subscribe
        def silence_begins(event: UserTurnStartedEvent) -> None:
            silenced_at.append(scene.connection.clock.boot())

        telling = asyncio.create_task(scene.agent.simple_response("Tell me a story."))
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(scene.connection.sent) < 30:  # 0.6 s, at least two words
                await asyncio.sleep(0.005)
        speaking = asyncio.create_task(scene.speak())
        await telling
        await scene.until(AgentTurnStartedEvent, 2)
        await scene.until(AgentTurnEndedEvent, 2)
        await speaking
        later = [at for at, _ in scene.connection.sent if at > silenced_at[0] + 0.1]
        assert later[0] > silenced_at[0] + 0.3, "silent until the next answer"
    first, second = scene.of(AgentTurnEndedEvent)
    assert first.interrupted
    assert 2 <= len(first.text.split()) < len(story.split())
    assert story.startswith(first.text)
    assert (second.text, second.interrupted) == ("All right.", False)
    assert [role for role, _ in scene.history()] == ["user", "assistant", "user", "assistant"]


async def test_a_text_that_interrupts_is_answered(gemini_live: FakeLive) -> None:
    gemini_live.answers.append(said(STORY))
    async with on_call(gemini_live) as scene:
        telling = asyncio.create_task(scene.agent.simple_response("Tell me a story."))
        await scene.until(AgentTurnStartedEvent)
        await scene.agent.simple_response("Hello")
        await telling
    assert [event.interrupted for event in scene.of(AgentTurnEndedEvent)] == [True, False]
    assert scene.history()[-1] == ("assistant", "You said: Hello")


async def test_what_is_said_in_words_alone(gemini_live: FakeLive) -> None:
    gemini_live.answers.append(said("Welcome!"))
    async with on_call(gemini_live) as scene:
        await scene.agent.say("Welcome!")
        await scene.agent.user_said("Hello")
    assert [(event.text, event.final) for event in scene.of(UserTranscriptEvent)] == [("Hello", True)]
    assert scene.history() == [("assistant", "Welcome!"), ("user", "Hello"), ("assistant", "You said: Hello")]


async def test_a_reply_that_is_made_faster_than_it_sounds_is_heard_whole(gemini_live: FakeLive) -> None:
    gemini_live.pace = 20.0
    gemini_live.answers.append(said(STORY))
    async with on_call(gemini_live) as scene:
        started_at = scene.agent._clock.boot()
        await scene.agent.simple_response("Tell me a story.")
        assert scene.agent._clock.boot() - started_at > 0.15 * len(STORY.split()) - 0.1
    assert scene.history()[-1] == ("assistant", STORY)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param(Fault(cut=True, after=4), "Gemini (closed the connection|cannot be reached or hung up)", id="cut"),
        pytest.param(Fault(stall=True, after=4), r"Gemini sent nothing for 1 s", id="stalled"),
        pytest.param(Fault(malformed=True, after=4), "Gemini sent something that cannot be read", id="rubbish"),
        pytest.param(Fault(cut=True), "Gemini (closed the connection|cannot be reached or hung up)", id="cut at once"),
    ],
)
async def test_a_fault_in_the_call_is_reported_and_the_next_question_answered(
    gemini_live: FakeLive, fault: Fault, says: str
) -> None:
    gemini_live.faults.append(fault)
    async with on_call(gemini_live, next_sound_seconds=1.0, first_reply_seconds=1.0) as scene:
        await scene.agent.simple_response("One two three")
        error = await scene.until(AgentErrorEvent)
        await scene.agent.simple_response("Hello")
    assert error.part == "realtime"
    with pytest.raises(VendorError, match=says):
        raise error.error
    assert scene.history()[-1] == ("assistant", "You said: Hello")
    assert scene.agent.llm.metrics.errors["realtime"] == len(scene.of(AgentErrorEvent))


async def test_limits_after_a_cut_are_waited_out(gemini_live: FakeLive) -> None:
    gemini_live.faults.extend([Fault(cut=True, after=4), Fault(status=429), Fault(status=1011)])
    async with on_call(gemini_live) as scene:
        await scene.agent.simple_response("One two three")
        await scene.until(AgentErrorEvent, 3)
        await scene.agent.simple_response("Hello")
    assert ["is at its limit" in str(event.error) for event in scene.of(AgentErrorEvent)] == [False, True, True]
    assert scene.history()[-1] == ("assistant", "You said: Hello")


async def test_a_refused_key_keeps_the_agent_from_the_call(gemini_live: FakeLive) -> None:
    with pytest.raises(VendorError, match=r"refused the API key.*GOOGLE_API_KEY"):
        async with on_call(gemini_live, api_key="another-key-987"):
            pass
    assert CLIENTS.count == 0


async def test_a_key_that_is_not_taken_any_more_ends_the_call(gemini_live: FakeLive) -> None:
    with pytest.raises(VendorError, match="refused the API key"):  # noqa: PT012 - the call ends with it
        async with on_call(gemini_live) as scene:
            gemini_live.key = "changed"
            for session in list(gemini_live.open):
                session.abort()
            async with asyncio.timeout(LIMIT_SECONDS):
                await scene.agent.finish()
    assert CLIENTS.count == 0


async def test_a_connection_that_gemini_ends_is_not_noticed_in_the_call(gemini_live: FakeLive) -> None:
    async with on_call(gemini_live) as scene:
        await scene.agent.simple_response("One")
        await gemini_live.go_away(3)
        await scene.agent.simple_response("Two")
        await scene.agent.simple_response("Three")
    assert scene.of(AgentErrorEvent) == []
    assert [text for role, text in scene.history() if role == "assistant"] == [
        "You said: One",
        "You said: Two",
        "You said: Three",
    ]
    assert len(gemini_live.setups) == 2


async def test_a_conversation_from_before_is_known_to_the_model(gemini_live: FakeLive) -> None:
    edge = scripted.Edge(SystemClock())
    llm = gemini.Realtime(api_key=KEY, base_url=gemini_live.url)
    agent = Agent(edge=edge, agent_user=User(id="agent"), llm=llm)
    agent.conversation.restore({"version": 1, "messages": [{"role": "user", "text": "My name is Ann."}]})
    async with agent.join(await agent.create_call("default", "call-1")):
        await agent.simple_response("Hello")
    assert gemini_live.given[0]["client_content"]["turns"][0]["parts"] == [{"text": "My name is Ann."}]
    assert len([given for given in gemini_live.given if "client_content" in given]) == 1


async def test_closing_in_mid_sentence_leaves_nothing(gemini_live: FakeLive) -> None:
    gemini_live.answers.append(said(STORY))
    async with asyncio.timeout(LIMIT_SECONDS), on_call(gemini_live) as scene:
        telling = asyncio.create_task(scene.agent.simple_response("Tell me a story."))
        await scene.until(AgentTurnStartedEvent)
        await scene.agent.close()
        await telling
    assert scene.of(AgentTurnEndedEvent)[0].interrupted
    await gemini_live.settled()
