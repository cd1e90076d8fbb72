"""Whole conversations by WebRTC with the engines that need no network: speech in, speech out, interruptions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.fakes.browser import Browser
from tests.integration.webrtc.conftest import DEADLINE_SECONDS, given_back, held

from greenroom.agent import Agent, User
from greenroom.agent.audio import silence
from greenroom.plugins import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytest.importorskip("hibari", reason="the extra `local` is not installed")

STORY = "Once upon a time there was a king. He had three daughters. The first was wise. The second was kind. " * 3


@pytest_asyncio.fixture(autouse=True)
async def everything_is_given_back() -> AsyncIterator[None]:
    """Engines keep their threads and models for the next call."""
    before = held()
    yield
    await given_back({what: before[what] for what in ("tasks", "connections")})


class Conversation:
    """An agent and a browser in one call; `over` is the agent's host."""

    def __init__(self, agent: Agent, browser: Browser, over: asyncio.Task[None]) -> None:
        self.agent = agent
        self.browser = browser
        self.over = over

    async def told(self, type_: str, **fields: object) -> dict[str, object]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.browser.told(
                lambda message: message["type"] == type_ and fields.items() <= message.items()
            )


def voice_agent(offer: str) -> Agent:
    agent = Agent(
        edge=local.Edge(offer),
        agent_user=User(name="Assistant", id="agent"),
        llm=local.LLM(),
        stt=local.STT(),
        tts=local.TTS(seed=1),
        vad=local.VAD(),
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny and 72°F."

    return agent


@asynccontextmanager
async def conversation() -> AsyncIterator[Conversation]:
    browser = Browser()
    agent = voice_agent(await browser.offer())
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    agent.on_answer(answer.set_result)

    async def host() -> None:
        async with agent.join(await agent.create_call("default", "c")):
            await agent.finish()

    over = asyncio.create_task(host())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await browser.take(await answer)
            await browser.connected.wait()
        yield Conversation(agent, browser, over)
    finally:
        await agent.close()
        await asyncio.wait((over,))
        await browser.hang_up()


async def speech(text: str) -> bytes:
    return b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(text)])


async def understood(pcm: bytes) -> str:
    utterance = local.STT().utterance()
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return await utterance.finish()


async def test_a_question_is_heard_answered_aloud_and_shown() -> None:
    question = silence(0.3) + await speech("What is the weather in Boston?")
    async with conversation() as talk:
        await talk.browser.say(question)
        ended = await talk.told("agent.agent_turn_ended")
        assert ended["text"] == "The weather in Boston is sunny and 72°F."
        called = await talk.told("agent.tool_called")
        assert (called["name"], called["failed"]) == ("get_weather", False)
        heard = await talk.told("agent.user_transcript", final=True)
        assert heard["text"] == "what is the weather in boston"
        started = await talk.told("agent.agent_turn_started")
        assert 0 < float(str(started["response_seconds"])) < 60
        await talk.browser.hang_up()
        await asyncio.wait_for(talk.over, DEADLINE_SECONDS)
    words = (await understood(bytes(talk.browser.ear.pcm))).split()
    assert {"weather", "boston", "sunny"} <= set(words)


async def test_who_speaks_in_between_makes_the_agent_silent() -> None:
    question = await speech("What is the weather in Boston?")
    async with conversation() as talk:
        telling = asyncio.create_task(talk.agent.say(STORY))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await talk.browser.ear.until(lambda ear: ear.sound_seconds > 1.0)
        speaking = asyncio.create_task(talk.browser.say(question))
        told = talk.browser.heard_before(await talk.told("agent.agent_turn_ended", interrupted=True))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await talk.browser.ear.until(lambda ear: ear.quiet_seconds > 0.2 or ear.sound_seconds_after(told) > 0.5)
        # The browser here keeps 80 ms of sound back, as aiortc does.
        assert talk.browser.ear.sound_seconds_after(told) < 0.25
        await speaking
        await telling
        assert (await talk.told("agent.user_transcript", final=True))["text"] == "what is the weather in boston"


async def test_the_caller_goes_in_the_middle_of_an_answer() -> None:
    async with conversation() as talk:
        telling = asyncio.create_task(talk.agent.say(STORY))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await talk.browser.ear.until(lambda ear: ear.sound_seconds > 0.5)
            await talk.browser.hang_up()
            await talk.over
            await telling


async def test_the_agent_that_is_closed_in_mid_sentence_tells_the_page() -> None:
    async with conversation() as talk:
        telling = asyncio.create_task(talk.agent.say(STORY))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await talk.browser.ear.until(lambda ear: ear.sound_seconds > 0.5)
            await talk.agent.close()
            await talk.browser.over.wait()
            await telling
        assert talk.browser.types()[-1] == "agent.left_call"
