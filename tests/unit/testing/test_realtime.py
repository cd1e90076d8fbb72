"""Conversations with an agent whose model hears and speaks itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, User
from greenroom.agent.audio import seconds_of
from greenroom.agent.events import AgentTurnStartedEvent
from greenroom.testing import Call, Conversation, Pause, ScriptedLLM, ScriptedRealtime, ScriptError

if TYPE_CHECKING:
    from greenroom.testing.script import Answer


class Talk:
    """A conversation with an agent that has a weather function, on virtual time."""

    def __init__(self, *answers: Answer, seconds_per_word: float = 0.01) -> None:
        self.clock = VirtualClock()
        self.model = ScriptedRealtime(*answers, clock=self.clock, seconds_per_word=seconds_per_word)
        edge = scripted.Edge(self.clock)
        self.agent = Agent(edge=edge, llm=self.model, agent_user=User(id="a"), clock=self.clock)

        @self.agent.llm.register_function()
        async def get_weather(location: str) -> str:
            await self.clock.sleep(0.1)
            return f"sunny in {location}"

        self.talk = Conversation(self.agent, clock=self.clock)


def test_a_text_is_answered_and_functions_are_called() -> None:
    stage = Talk([Call("get_weather", location="Rome"), Call("get_weather", location="Oslo"), "Sunny in both."], "Bye.")

    async def scene() -> None:
        async with stage.talk as talk:
            turn = await talk.say("Weather?")
            turn.expect_tool("get_weather", location="Rome")
            turn.expect_tool("get_weather", location="Oslo")
            turn.expect_said("Sunny in both.")
            (await talk.say("Bye")).expect_no_tool()
            assert seconds_of(talk.agent_sound) == pytest.approx(0.04 + 0.02), "in whole frames"

    run_virtual(scene())
    assert stage.model.asked == ["Weather?", "Bye"]


def test_speech_is_heard_and_answered() -> None:
    stage = Talk(lambda request: f"You said {request.messages[-1].text}.")

    async def scene() -> None:
        async with stage.talk as talk:
            turn = await talk.speak("hello")
            turn.expect_heard("hello")
            turn.expect_said("You said hello.")

    run_virtual(scene())


def test_who_speaks_interrupts() -> None:
    stage = Talk("This is long and goes on for ten seconds.", "Yes?", seconds_per_word=1.0)

    async def scene() -> None:
        async with stage.talk as talk:
            telling = asyncio.create_task(talk.say("Tell me"))
            await talk.wait_for(AgentTurnStartedEvent)
            (await talk.speak("stop")).expect_said("Yes?")
            assert (await telling).interrupted

    run_virtual(scene())


def test_a_call_that_a_text_interrupts_is_not_wanted_any_more() -> None:
    stage = Talk([Call("get_weather", location="Rome"), Pause(5), "Sunny."], "Never mind.")

    async def scene() -> None:
        async with stage.talk as talk:
            asking = asyncio.create_task(stage.agent.simple_response("Weather?"))
            await stage.clock.sleep(0.05)
            turn = await talk.say("Forget it", interrupt=True)
            turn.expect_said("Never mind.")
            await asking

    run_virtual(scene())


def test_a_script_that_is_used_up_and_an_error_are_told() -> None:
    stage = Talk(OSError("gone"))

    async def scene() -> None:
        async with stage.talk as talk:
            turn = await talk.say("One")
            assert [str(error) for error in turn.errors] == ["gone"]
            with pytest.raises(ScriptError, match="the script has 1 answers and one more is asked for, to 'Two'"):
                await talk.say("Two")

    run_virtual(scene())


def test_it_takes_the_place_of_ears_and_voice_too() -> None:
    clock = VirtualClock()
    agent = Agent(
        edge=scripted.Edge(clock),
        llm=ScriptedLLM("unused"),
        stt=scripted.Stt(clock, []),
        vad=scripted.Vad(),
        tts=scripted.Tts(clock),
        agent_user=User(id="a"),
        clock=clock,
    )

    async def scene() -> None:
        async with Conversation(agent, llm=ScriptedRealtime("Hello.", clock=clock), clock=clock) as talk:
            (await talk.speak("hi")).expect_said("Hello.")
            assert (talk.agent.stt, talk.agent.vad, talk.agent.tts) == (None, None, None)

    run_virtual(scene())


def test_a_model_in_text_takes_its_place_without_sound() -> None:
    stage = Talk("unused")

    async def scene() -> None:
        llm = ScriptedLLM([Call("get_weather", location="Rome"), "Sunny."], clock=stage.clock)
        async with Conversation(stage.agent, llm=llm, text_only=True, clock=stage.clock) as talk:
            turn = await talk.say("Weather?")
            turn.expect_tool("get_weather", location="Rome")
            turn.expect_said("Sunny.")

    run_virtual(scene())
