"""A conversation with an agent in this process: turns, limits, ends, and nothing left behind."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual
from tests.unit.testing.stage import Unreachable, build, weather_script

from greenroom.agent import Agent
from greenroom.agent.events import (
    AgentJoinedCallEvent,
    AgentLeftCallEvent,
    AgentTranscriptEvent,
    AgentTurnStartedEvent,
    UserTurnStartedEvent,
)
from greenroom.agent.interfaces import ModelRequest
from greenroom.errors import InvalidParameters
from greenroom.testing import (
    Call,
    CallOver,
    Conversation,
    Pause,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedTTS,
    ScriptError,
    WaitedTooLong,
)
from greenroom.testing.scripted import tone

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = "What is the weather in Boston?"


def virtual(**settings: Any) -> Conversation:
    """A conversation on virtual time, in which speaking takes none."""
    clock = VirtualClock()
    return Conversation(lambda: build(clock=clock), clock=clock, **settings)


async def test_a_text_turn_has_the_tool_the_words_and_the_order() -> None:
    async with Conversation(build) as talk:
        turn = await talk.say(QUESTION)
        assert (turn.heard, turn.said) == (QUESTION, "It is sunny. And warm.")
        called = turn.expect_tool("get_weather", location="Boston")
        assert called.output == "The weather in Boston is sunny and 72°F."
        turn.expect_order(called, turn.expect_said("sunny"))
        turn.expect_nothing_else()
        turn.expect_answer_within(2.0)
        second = await talk.say("Thank you")
        assert second.said == "You are welcome."
        second.expect_no_tool()


def test_a_spoken_turn_is_heard_by_scripted_ears() -> None:
    async def scene() -> None:
        async with virtual() as talk:
            turn = await talk.speak(QUESTION)
            assert (turn.heard, turn.said) == (QUESTION, "It is sunny. And warm.")
            assert isinstance(turn.events[0], UserTurnStartedEvent)
            assert turn.first_sound_seconds == pytest.approx(0.3, abs=0.1)
            assert talk.agent_sound

    run_virtual(scene())


def test_a_wav_file_and_samples_are_spoken(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(tone(0.2))

    async def scene() -> None:
        async with virtual(stt=ScriptedSTT([QUESTION, "Thanks"])) as talk:
            assert (await talk.speak(path)).heard == QUESTION
            assert (await talk.speak(tone(0.2))).heard == "Thanks"

    run_virtual(scene())


async def test_a_wav_file_of_another_rate_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
    async with Conversation(build) as talk:
        with pytest.raises(ValueError, match=r"2 channels of 16 bits at 44100 Hz.*ffmpeg"):
            await talk.speak(path)


async def test_parts_of_the_test_take_the_place_of_the_agents_own() -> None:
    own = [Unreachable(), ScriptedLLM(), ScriptedTTS()]
    agent = build(own[1], edge=own[0], tts=own[2])
    llm, tts = weather_script(), ScriptedTTS()
    async with Conversation(agent, llm=llm, tts=tts) as talk:
        (await talk.say(QUESTION)).expect_tool("get_weather")
        assert (talk.agent.llm, talk.agent.tts) == (llm, tts)
    assert own[0].closed == 1
    assert (own[1].requests, own[2].said) == ([], [])
    assert tts.said == ["It is sunny.", "And warm."]
    assert agent.metrics.to_dict()["llm_tool_calls__total"] == 1


async def test_text_only_starts_neither_ears_nor_voice() -> None:
    class Vendor(ScriptedSTT):
        async def start(self) -> None:
            raise AssertionError("the vendor was dialled")

    async with Conversation(build(stt=Vendor()), text_only=True) as talk:
        turn = await talk.say(QUESTION)
        assert turn.said == "It is sunny. And warm."
        assert turn.first_sound_seconds is None
        turn.expect_answer_within(2.0)
        with pytest.raises(RuntimeError, match="cannot hear"):
            await talk.speak("Hello")


async def test_parameters_reach_the_functions_that_take_them() -> None:
    got: list[tuple[str, str]] = []

    async def create(city: str) -> Agent:
        got.append(("create", city))
        return build()

    async def join(agent: Agent, call_type: str, call_id: str, mood: str = "") -> None:
        got.append(("join", mood))
        async with agent.join(await agent.create_call(call_type, call_id)):
            await agent.finish()

    async with Conversation(create, join, parameters={"city": "Rome", "mood": "good"}):
        assert got == [("create", "Rome"), ("join", "good")]
    with pytest.raises(InvalidParameters, match="nobody"):
        async with Conversation(create, join, parameters={"city": "Rome", "nobody": 1}):
            pass
    with pytest.raises(InvalidParameters, match="create_agent needs the parameter city"):
        async with Conversation(create, join):
            pass


async def greet(agent: Agent, call_type: str, call_id: str) -> None:
    async with agent.join(await agent.create_call(call_type, call_id)):
        await agent.say("Welcome!")
        await agent.finish()


async def test_a_greeting_is_a_turn_of_its_own_and_not_mixed_into_the_answer() -> None:
    async with Conversation(build, greet) as talk:
        turn = await talk.say(QUESTION)  # before anyone looked at the greeting
        assert turn.said == "It is sunny. And warm."
        greeting = await talk.listen()
        assert (greeting.heard, greeting.said) == ("", "Welcome!")
        with pytest.raises(WaitedTooLong, match="the agent to speak by itself"):
            await talk.listen(within=0.05)


def test_a_wait_that_is_too_long_says_for_what_and_what_came() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        llm = ScriptedLLM([Call("get_weather", location="Boston"), Pause(60.0), "Late."], clock=clock)
        async with Conversation(lambda: build(llm, clock=clock), clock=clock, limit_seconds=10) as talk:
            with pytest.raises(WaitedTooLong) as raised:
                await talk.say(QUESTION)
            assert f"waited 10 s for the answer to {QUESTION!r}" in str(raised.value)
            assert "agent.user_transcript" in str(raised.value)
            assert "agent.tool_called name='get_weather'" in str(raised.value)

    run_virtual(scene())


def test_who_speaks_without_words_waits_in_vain() -> None:
    async def scene() -> None:
        async with virtual(stt=ScriptedSTT([""])) as talk:
            with pytest.raises(
                WaitedTooLong, match=r"the answer to the sound; these events came(?s:.*)user_turn_ended"
            ):
                await talk.speak(tone(0.1), within=3.0)

    run_virtual(scene())


def test_barge_in_cuts_the_answer_off() -> None:
    llm = ScriptedLLM("One two three four five six seven eight nine ten.", "Sorry.")

    async def scene() -> None:
        async with virtual(llm=llm, tts=ScriptedTTS(seconds_per_word=0.5)) as talk:
            first = asyncio.create_task(talk.say("Count"))
            await talk.wait_for(AgentTurnStartedEvent)
            second = await talk.speak("Stop")
            assert (await first).interrupted
            assert "ten" not in (await first).said
            assert (second.heard, second.said, second.interrupted) == ("Stop", "Sorry.", False)

    run_virtual(scene())


def test_an_event_is_waited_for_from_the_latest_turn_on() -> None:
    async def scene() -> None:
        llm = ScriptedLLM("First.", [Pause(1.0), "Second."])
        async with virtual(llm=llm) as talk:
            await talk.say("One")
            asking = asyncio.create_task(talk.say("Two"))
            assert (await talk.wait_for(AgentTranscriptEvent)).text == "Second."
            await asking
            with pytest.raises(WaitedTooLong, match=r"waited 1 s for AgentTranscriptEvent text='First\.'"):
                await talk.wait_for(AgentTranscriptEvent, text="First.", within=1)

    run_virtual(scene())


def test_a_typed_interruption() -> None:
    llm = ScriptedLLM("One two three four five six seven eight nine ten.", "Sorry.")

    async def scene() -> None:
        async with virtual(llm=llm, tts=ScriptedTTS(seconds_per_word=0.5)) as talk:
            first = asyncio.create_task(talk.say("Count"))
            await talk.wait_for(AgentTranscriptEvent)
            assert (await talk.say("Stop", interrupt=True)).said == "Sorry."
            assert (await first).interrupted

    run_virtual(scene())


async def test_a_script_that_is_too_short_fails_the_turn() -> None:
    async with Conversation(build, llm=ScriptedLLM("Hello.")) as talk:
        await talk.say("Hello")
        with pytest.raises(ScriptError, match=r"has 1 answers.*to 'And\?'.*these events came"):
            await talk.say("And?")


async def test_what_the_agents_code_raises_ends_the_wait_and_is_its_cause() -> None:
    async def join(agent: Agent, call_type: str, call_id: str) -> None:
        async with agent.join(await agent.create_call(call_type, call_id)):
            await broken.wait()
            raise ValueError("the agent file is wrong")

    broken = asyncio.Event()
    async with Conversation(build, join, llm=ScriptedLLM([Pause(30.0), "Late."])) as talk:
        asking = asyncio.create_task(talk.say("Hello"))
        await asyncio.sleep(0)
        broken.set()
        with pytest.raises(CallOver, match="but the call ended with ValueError: the agent file is wrong") as raised:
            await asking
        assert isinstance(raised.value.__cause__, ValueError)
        with pytest.raises(CallOver):
            await talk.say("Still there?")


async def test_an_error_that_no_wait_told_of_is_raised_at_the_end() -> None:
    async def join(agent: Agent, call_type: str, call_id: str) -> None:
        async with agent.join(await agent.create_call(call_type, call_id)):
            await agent.finish()
        raise ValueError("after the call")

    with pytest.raises(ValueError, match="after the call"):
        async with Conversation(build, join) as talk:
            await talk.say(QUESTION)
    async with Conversation(build, join) as talk:
        with pytest.raises(ValueError, match="after the call"):
            await talk.hang_up()


@pytest.mark.parametrize("error", [ValueError("no agent today"), None])
async def test_an_agent_that_cannot_be_built_or_does_not_join_is_an_error_at_the_start(error: Exception | None) -> None:
    def create() -> Agent:
        if error is not None:
            raise error
        return build()

    async def stay_away(agent: Agent, call_type: str, call_id: str) -> None:
        del agent, call_type, call_id

    with pytest.raises((ValueError, CallOver), match=r"no agent today|waited for the agent to join the call"):
        async with Conversation(create, stay_away):
            pass


async def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(TypeError, match="returned a str"):
        async with Conversation(lambda: "agent"):
            pass


async def test_hanging_up_ends_the_call() -> None:
    async with Conversation(build) as talk:
        await talk.say(QUESTION)
        await talk.hang_up()
        assert isinstance(talk.events[0], AgentJoinedCallEvent)
        assert isinstance(talk.events[-1], AgentLeftCallEvent)
        with pytest.raises(CallOver, match="but the call ended"):
            await talk.say("Hello?")


async def test_nothing_is_left_after_the_block_however_it_ends() -> None:
    class Counted(ScriptedTTS):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    async def converse(tts: Counted, *, within: float = 10.0, **settings: Any) -> None:
        async with Conversation(build, greet, tts=tts, **settings) as talk:
            await talk.say("Hello", within=within)

    before = asyncio.all_tasks()
    fine, late, cancelled = Counted(), Counted(), Counted()
    await converse(fine)
    with pytest.raises(WaitedTooLong):
        await converse(late, within=0.05, llm=ScriptedLLM([Pause(30.0)]))
    thinking = asyncio.Event()

    def think(_: ModelRequest) -> str:
        thinking.set()
        return "So be it."

    running = asyncio.create_task(converse(cancelled, llm=ScriptedLLM([think, Pause(30.0)])))
    await thinking.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [tts.closed for tts in (fine, late, cancelled)] == [1, 1, 1]
    assert asyncio.all_tasks() == before


def test_a_join_call_that_does_not_return_is_cancelled_and_said_so() -> None:
    async def join(agent: Agent, call_type: str, call_id: str) -> None:
        async with agent.join(await agent.create_call(call_type, call_id)):
            await agent.finish()
        await asyncio.Event().wait()

    async def scene() -> None:
        clock = VirtualClock()
        with pytest.raises(RuntimeError, match="join_call was not over 5 s after"):
            async with Conversation(lambda: build(clock=clock), join, clock=clock, start_seconds=5):
                pass
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(scene())


async def test_outside_the_block_there_is_no_agent() -> None:
    talk = Conversation(build)
    with pytest.raises(RuntimeError, match="async with Conversation"):
        await talk.say("Hello")
    async with talk:
        pass
    with pytest.raises(RuntimeError, match="entered once"):
        async with talk:
            pass


def test_what_the_agent_sends_to_the_participants_programs_can_be_looked_at() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        async with Conversation(lambda: build(clock=clock), clock=clock) as talk:
            await talk.say("What is the weather in Boston?")
            await talk.agent.send_custom_event({"type": "status"})
            await talk.agent.send_metrics_event(fields=["llm_tool_calls__total"])
        figures = {"type": "agent_metrics", "metrics": {"llm_tool_calls__total": 1}}
        assert talk.custom_events == ({"type": "status"}, figures)

    run_virtual(scene())
