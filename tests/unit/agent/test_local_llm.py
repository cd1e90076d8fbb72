"""The model made of rules."""

from __future__ import annotations

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent.conversation import Message, Role, ToolCall
from greenroom.agent.interfaces import ModelRequest, TextDelta, Usage
from greenroom.plugins import local


def with_functions(*rules: local.Rule) -> local.LLM:
    llm = local.LLM(rules)

    @llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return location

    @llm.register_function()
    async def set_timer(minutes: int, label: str = "tea") -> str:
        return label

    return llm


def respond(llm: local.LLM, *messages: Message) -> tuple[str, list[ToolCall], Usage]:
    async def collect() -> list[object]:
        return [item async for item in llm.respond(ModelRequest("Be brief.", messages, llm.toolbox.tools))]

    items = run_virtual(collect())
    assert isinstance(items[-1], Usage)
    text = "".join(item.text for item in items if isinstance(item, TextDelta))
    return text, [item for item in items if isinstance(item, ToolCall)], items[-1]


def user(text: str) -> Message:
    return Message(Role.USER, text)


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("what is the weather in boston", "get_weather", {"location": "Boston"}),
        ("tell me about the weather in new york?", "get_weather", {"location": "New York"}),
        ("What's the weather for the hague?", "get_weather", {"location": "Hague"}),
        ("set a timer for 5", "set_timer", {"minutes": "5", "label": "5"}),
    ],
)
def test_a_question_about_a_function_becomes_its_call(said: str, name: str, arguments: dict[str, object]) -> None:
    text, (call,), _ = respond(with_functions(), user(said))
    assert text == ""
    assert (call.name, call.arguments) == (name, arguments)


def test_what_is_missing_is_asked_for() -> None:
    assert respond(with_functions(), user("what is the weather"))[:2] == ("Which location?", [])


def test_results_are_read_out_in_order() -> None:
    calls = (ToolCall("1", "get_weather", {}), ToolCall("2", "get_weather", {}))
    text, again, _ = respond(
        with_functions(),
        user("weather"),
        Message(Role.ASSISTANT, "", tool_calls=calls),
        Message(Role.TOOL, "Sunny here.", tool_call_id="1"),
        Message(Role.TOOL, "Rainy there.", tool_call_id="2"),
    )
    assert (text, again) == ("Sunny here. Rainy there.", [])


def test_rules_come_first_and_fill_their_replies_and_calls() -> None:
    llm = with_functions(
        local.Rule(r"my name is (?P<name>\w+)", reply="Nice to meet you, {name}."),
        local.Rule(r"how warm is it in (?P<location>\w+)", call="get_weather"),
    )
    assert respond(llm, user("hello my name is peter"))[0] == "Nice to meet you, peter."
    assert respond(llm, user("how warm is it in rome"))[1][0].arguments == {"location": "rome"}
    with pytest.raises(ValueError, match="either reply or call"):
        local.Rule("x")


def test_small_talk_and_echo() -> None:
    llm = with_functions()
    assert respond(llm, user("Hello there"))[0].startswith("Hello!")
    assert respond(llm, user("thanks a lot"))[0].endswith("Goodbye!")
    assert respond(llm, user("colourless green ideas"))[0] == "You said: colourless green ideas."
    assert respond(llm, user(""))[0] == "Sorry, I did not catch that."


def test_it_streams_by_word_at_the_pace_it_is_given_and_counts_tokens() -> None:
    clock = VirtualClock()
    llm = local.LLM(token_seconds=0.1, clock=clock)

    async def timed() -> tuple[list[object], float]:
        started = clock.boot()
        request = ModelRequest("Be brief.", (user("one two three"),), ())
        return [item async for item in llm.respond(request)], clock.boot() - started

    items, seconds = run_virtual(timed())
    assert items == [*map(TextDelta, ("You ", "said: ", "one ", "two ", "three.")), Usage(5, 5)]
    assert seconds == pytest.approx(0.5)
