"""The scripted model: one answer a turn, whatever is asked, calls and their results between."""

from __future__ import annotations

import pytest
from tests.unit.testing.stage import build

from greenroom import Agent
from greenroom.agent.conversation import Message, Role
from greenroom.agent.interfaces import ModelRequest
from greenroom.agent.turn_taking import SpeechOver
from greenroom.testing import Call, Conversation, Pause, ScriptedLLM, ScriptedSTT
from greenroom.testing.script import requests_of
from greenroom.testing.scripted import tone


def last_text(request: ModelRequest) -> str:
    return f"I heard: {request.messages[-1].text}"


def test_steps_are_put_into_requests() -> None:
    boston, rome = Call("get_weather", location="Boston"), Call("get_weather", location="Rome")
    assert requests_of("Hello.") == [["Hello."]]
    assert requests_of([]) == [[]]
    assert requests_of([boston, rome, "Done."]) == [[boston, rome], ["Done."]]
    assert requests_of(["Wait.", boston, "", rome, Pause(1), "Done."]) == [
        ["Wait.", boston],
        ["", rome],
        [Pause(1), "Done."],
    ]


async def test_calls_in_a_row_run_together_and_a_text_may_use_their_results() -> None:
    llm = ScriptedLLM(
        [Call("get_weather", location="Boston"), Call("get_weather", location="Rome"), last_text],
        [Call("get_weather", location="Oslo"), "", Call("get_weather", location="Bonn"), "Done."],
    )
    async with Conversation(build, llm=llm, text_only=True) as talk:
        together = await talk.say("Two cities")
        assert together.said == "I heard: The weather in Rome is sunny and 72°F."
        assert len(llm.requests) == 2
        after = await talk.say("Two more")
        after.expect_order(
            after.expect_tool("get_weather", location="Oslo"), after.expect_tool("get_weather", location="Bonn")
        )
        assert len(llm.requests) == 5


async def test_a_failing_model_and_a_failing_function_are_in_the_turn() -> None:
    llm = ScriptedLLM(ConnectionError("the vendor is down"), [Call("get_wind"), "No wind."])
    async with Conversation(build, llm=llm, text_only=True) as talk:
        down = await talk.say("Hello")
        assert [str(error) for error in down.errors] == ["the vendor is down"]
        with pytest.raises(AssertionError, match=r"but 2\. agent.error came"):
            down.expect_nothing_else()
        assert (await talk.say("The wind?")).expect_tool("get_wind").failed


async def test_an_answer_without_words_is_a_turn() -> None:
    async with Conversation(build, llm=ScriptedLLM([]), text_only=True) as talk:
        turn = await talk.say("Say nothing")
        assert turn.said == ""
        turn.expect_nothing_else()


async def test_a_history_that_the_agent_begins_with_is_not_the_scripts() -> None:
    def create() -> Agent:
        agent = build(ScriptedLLM("First.", "Second."))
        agent.conversation.add(Message(Role.USER, "We spoke before."))
        agent.conversation.add(Message(Role.ASSISTANT, "We did."))
        return agent

    async with Conversation(create, text_only=True) as talk:
        assert (await talk.say("One")).said == "First."
        assert (await talk.say("Two")).said == "Second."


async def test_an_agent_that_hangs_up_in_its_answer_still_gives_the_turn() -> None:
    def create() -> Agent:
        agent = build(ScriptedLLM([Call("hang_up"), "Never said."]))

        @agent.llm.register_function()
        async def hang_up() -> str:
            await agent.close()
            return "bye"

        return agent

    async with Conversation(create, text_only=True) as talk:
        turn = await talk.say("Goodbye")
        assert turn.interrupted
        turn.expect_not_said("Never")


async def test_scripted_ears_measure_the_turn() -> None:
    heard: list[object] = []
    chunks = [tone(0.02)] * 10 + [bytes(640)] * 20

    class Chunks:
        async def chunk(self, patience_seconds: float | None) -> bytes | None:
            del patience_seconds
            if not chunks:
                raise EOFError
            return chunks.pop(0)

    with pytest.raises(EOFError):
        await ScriptedSTT(["Hello"]).hear(Chunks(), heard.append)
    assert heard[1:] == [SpeechOver("Hello", pytest.approx(0.2), pytest.approx(0.3))]
