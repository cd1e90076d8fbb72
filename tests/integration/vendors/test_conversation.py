"""Whole calls: the basic example's engines on their real SDKs, each against its fake; the caller is made of sound."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
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
)
from greenroom.plugins import deepgram as ears
from greenroom.plugins import elevenlabs as voices
from greenroom.plugins import gemini as models
from greenroom.plugins import local, wav
from greenroom.plugins.deepgram.stt import CLIENTS as EARS
from greenroom.plugins.elevenlabs.client import CLIENTS as VOICES
from greenroom.plugins.gemini.client import CLIENTS as MODELS
from greenroom.plugins.vendor import VendorError
from greenroom.warmup import WarmupCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.deepgram.server import FakeDeepgram
    from tests.fakes.elevenlabs.server import FakeElevenLabs
    from tests.fakes.gemini.server import FakeGemini

QUESTION = "What is the weather in Boston?"
WEATHER = "The weather in Boston is sunny and 72°F."


@pytest.fixture(autouse=True)
def vendors(
    monkeypatch: pytest.MonkeyPatch, deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs, gemini: FakeGemini
) -> None:
    """Keys and addresses as a user sets them."""
    for name, value in {
        "DEEPGRAM_API_KEY": KEY,
        "DEEPGRAM_BASE_URL": deepgram.url,
        "ELEVENLABS_API_KEY": KEY,
        "ELEVENLABS_BASE_URL": elevenlabs.url,
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
    }.items():
        monkeypatch.setenv(name, value)


def tone(seconds: float) -> bytes:
    return (8000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds)


def agent_for(*lines: bytes | str) -> tuple[Agent, list[Event]]:
    """The agent of the basic example, on a call with somebody who says `lines` and hangs up."""
    caller = wav.Caller(lines, voice=local.TTS(seed=7), hang_up_after_answer=True)
    agent = Agent(
        edge=wav.Edge(caller),
        agent_user=User(name="Assistant", id="agent"),
        instructions="You are a helpful voice assistant.",
        llm=models.LLM("gemini-2.5-flash-lite"),
        tts=voices.TTS(),
        stt=ears.STT(eager_turn_detection=True),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    events: list[Event] = []

    @agent.subscribe
    def keep(event: Event) -> None:
        events.append(event)

    return agent, events


@asynccontextmanager
async def on_call(agent: Agent) -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        async with agent.join(await agent.create_call("default", "call-1")):
            yield
    assert (EARS.count, VOICES.count, MODELS.count) == (0, 0, 0)


async def talk(agent: Agent) -> None:
    async with on_call(agent):
        await agent.finish()


def history(agent: Agent) -> list[tuple[str, str]]:
    return [(message.role.value, message.text) for message in agent.conversation.messages]


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_spoken_question_calls_the_weather_and_is_answered_aloud(
    deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs, gemini: FakeGemini
) -> None:
    pytest.importorskip("hibari", reason="the extra `local` is not installed")
    deepgram.texts = deque([QUESTION])
    agent, events = agent_for(QUESTION)
    cache = WarmupCache()
    for part in (agent.stt, agent.tts, agent.llm):
        await part.warmup(cache)  # type: ignore[union-attr]
    await talk(agent)

    assert history(agent) == [("user", QUESTION), ("assistant", ""), ("tool", WEATHER), ("assistant", WEATHER)]
    (called,) = of(events, ToolCalledEvent)
    assert (called.name, called.output, called.failed) == ("get_weather", WEATHER, False)
    assert [event.text for event in of(events, UserTranscriptEvent) if event.final] == [QUESTION]
    (started,) = of(events, AgentTurnStartedEvent)
    assert 0 < started.response_seconds < 30
    assert of(events, AgentErrorEvent) == []
    assert [asked["text"] for asked in elevenlabs.asked] == [WEATHER]
    assert "eager_eot_threshold" in deepgram.asked[0]
    figures = agent.metrics.to_dict()
    voice = [name for name in figures if name.startswith(("stt_", "tts_", "llm_", "turn_"))]
    assert all(figures[name] for name in voice), figures
    assert figures["llm_input_tokens__total"] == 20 * len(gemini.asked)
    assert figures["llm_tool_calls__total"] == 1
    assert figures["tts_characters__total"] == len(WEATHER)


async def test_an_answer_is_ready_when_the_turn_is_over(gemini: FakeGemini, deepgram: FakeDeepgram) -> None:
    """The model is asked at the eager end, and once: it thinks while the real end is waited for."""
    deepgram.texts = deque(["Hello there"])
    gemini.faults.append(Fault(delay_seconds=0.25))
    agent, events = agent_for(tone(1.0))
    asked_at_its_end: list[int] = []

    @agent.subscribe
    def count(event: UserTranscriptEvent) -> None:
        if event.final:
            asked_at_its_end.append(len(gemini.requests))

    await talk(agent)
    (started,) = of(events, AgentTurnStartedEvent)
    assert asked_at_its_end == [1]
    assert len(gemini.asked) == 1
    assert started.response_seconds >= 0.5, "the end of the turn was waited for"
    assert history(agent) == [("user", "Hello there"), ("assistant", "You said: Hello there")]


async def test_a_user_who_goes_on_is_answered_once(gemini: FakeGemini, deepgram: FakeDeepgram) -> None:
    deepgram.texts = deque(["What is the weather in Boston?"])
    agent, events = agent_for(tone(0.6) + silence(0.45) + tone(0.6))
    await talk(agent)
    assert len(gemini.asked) == 3, "asked twice ahead, once with the result"
    assert len(of(events, ToolCalledEvent)) == 1, "no function was called for the answer that was withdrawn"
    assert [role for role, _ in history(agent)] == ["user", "assistant", "tool", "assistant"]
    assert len(of(events, AgentTurnEndedEvent)) == 1


async def test_barge_in_stops_the_vendors_too(
    gemini: FakeGemini, deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs
) -> None:
    deepgram.texts = deque(["Tell me a story", "Stop"])
    gemini.answers.append(said("This is a long story, and it goes on for a good while, as such stories do."))
    gemini.answers.append(said("All right."))
    agent, events = agent_for(tone(0.5) + silence(1.2) + tone(0.5))
    await talk(agent)
    ended = of(events, AgentTurnEndedEvent)
    assert [event.interrupted for event in ended] == [True, False]
    assert 0 < len(ended[0].text.split()) < 14
    assert history(agent)[-1] == ("assistant", "All right.")


async def test_a_vendor_that_fails_in_a_call_is_reported_and_the_call_goes_on(
    gemini: FakeGemini, deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs, caplog: pytest.LogCaptureFixture
) -> None:
    deepgram.texts = deque(["One", "Two", "Three"])
    gemini.faults.append(Fault(status=400))
    elevenlabs.faults.append(Fault(status=400))
    agent, events = agent_for(silence(0.1))
    async with on_call(agent):
        for text in ("One", "Two", "Three"):
            await agent.simple_response(text)
    errors = of(events, AgentErrorEvent)
    assert [type(event.error) for event in errors] == [VendorError, VendorError]
    assert [str(event.error).split()[0] for event in errors] == ["Gemini", "ElevenLabs"]
    assert (agent.llm.metrics.errors["llm"], agent.tts.metrics.errors["tts"]) == (1, 1)  # type: ignore[union-attr]
    assert history(agent)[-1] == ("assistant", "You said: One Two Three")
    assert caplog.text.count("the call goes on") == 2


async def test_hearing_that_breaks_in_a_call_is_reported_and_comes_back(deepgram: FakeDeepgram) -> None:
    deepgram.texts = deque(["Hello there", "and more", "Hello again"])
    deepgram.faults.append(Fault(cut=True, after=6))
    agent, events = agent_for(tone(2.0), tone(0.6))
    await talk(agent)
    assert of(events, AgentErrorEvent)[0].part == "stt"
    assert agent.stt.metrics.errors["stt"] == 1  # type: ignore[union-attr]
    assert history(agent)[-1][0] == "assistant"


async def test_a_refused_key_of_the_ears_keeps_the_agent_from_joining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "another-key-987")
    agent, _ = agent_for(tone(0.5))
    with pytest.raises(VendorError, match=r"refused the API key.*DEEPGRAM_API_KEY") as caught:
        await talk(agent)
    assert "another-key-987" not in str(caught.value)
    assert (EARS.count, VOICES.count, MODELS.count) == (0, 0, 0)


async def test_closing_in_mid_answer_leaves_nothing(gemini: FakeGemini, elevenlabs: FakeElevenLabs) -> None:
    elevenlabs.faults.append(Fault(stall=True, after=2))
    agent, _ = agent_for(silence(0.1))
    async with on_call(agent):
        answering = asyncio.create_task(agent.simple_response("Hello"))
        while not elevenlabs.in_work:
            await asyncio.sleep(0.01)
        await agent.close()
        await answering
    await elevenlabs.settled()
    await gemini.settled()


def test_ears_that_find_turns_need_no_others() -> None:
    with pytest.raises(ValueError, match="finds the user's turns itself: leave out vad"):
        Agent(
            edge=wav.Edge(wav.Caller([])),
            agent_user=User(id="agent"),
            llm=models.LLM(),
            stt=ears.STT(),
            vad=local.VAD(),
        )
