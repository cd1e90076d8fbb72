"""A conversation that outlives its call: what is exported, and what is taken back."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
from tests.fakes.scripted_voice import tone
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent.audio import silence
from greenroom.agent.conversation import Conversation, Message, Role, ToolCall
from greenroom.agent.interfaces import TextDelta

HISTORY: dict[str, Any] = {
    "version": 1,
    "messages": [
        {"role": "user", "text": "weather in Boston"},
        {
            "role": "assistant",
            "text": "",
            "tool_calls": [{"id": "1", "name": "get_weather", "arguments": {"location": "Boston"}}],
        },
        {"role": "tool", "text": "sunny", "tool_call_id": "1"},
        {"role": "assistant", "text": "One two three four five", "interrupted": True},
    ],
}


def changed(number: int, **values: Any) -> dict[str, Any]:
    history = copy.deepcopy(HISTORY)
    history["messages"][number].update(values)
    return history


def call_with_a_barge_in(stage: Stage) -> None:
    @stage.llm.register_function()
    async def get_weather(location: str) -> str:
        return "sunny"

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(tone(0.5) + silence(0.6))
            await connection.speak(silence(0.4) + tone(0.5))

    run_virtual(scene())


def test_what_was_heard_and_called_is_exported() -> None:
    asked = ToolCall("1", "get_weather", {"location": "Boston"})
    stage = Stage(["weather in Boston"], [[asked], [TextDelta("One two three four five six seven eight nine ten.")]])
    call_with_a_barge_in(stage)
    *before, answer = stage.agent.conversation.export()["messages"]
    assert before == HISTORY["messages"][:3]
    assert answer["interrupted"] is True
    assert 0 < len(answer["text"].split()) < 10, "what could be heard until the user spoke"
    assert "One two three four five six seven".startswith(answer["text"])


def test_the_next_call_goes_on_from_it() -> None:
    stage = Stage(answers=[[TextDelta("Still sunny.")]])
    stage.agent.conversation.restore(HISTORY)

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("And now?")

    run_virtual(scene())
    asked = stage.llm.requests[0].messages
    assert asked[1] == Message(Role.ASSISTANT, "", (ToolCall("1", "get_weather", {"location": "Boston"}),))
    assert asked[2] == Message(Role.TOOL, "sunny", tool_call_id="1")
    assert [message.text for message in asked] == [
        "weather in Boston",
        "",
        "sunny",
        "One two three four five",
        "And now?",
    ]
    assert [message.interrupted for message in asked] == [False, False, False, True, False]
    assert stage.agent.conversation.export()["messages"] == [
        *HISTORY["messages"],
        {"role": "user", "text": "And now?"},
        {"role": "assistant", "text": "Still sunny."},
    ]


def test_it_goes_before_what_was_said_already() -> None:
    conversation = Conversation(max_messages=3)
    conversation.add(Message(Role.USER, "hello"))
    conversation.restore(HISTORY)
    assert [message.text for message in conversation.messages] == ["sunny", "One two three four five", "hello"]


def test_a_result_whose_call_was_forgotten_is_left_out() -> None:
    conversation = Conversation(max_messages=2)
    conversation.restore(HISTORY)
    assert conversation.messages[0].role is Role.TOOL
    assert conversation.export()["messages"] == HISTORY["messages"][3:]
    Conversation().restore(conversation.export())


def test_arguments_become_plain_data_of_their_own() -> None:
    conversation, arguments = Conversation(), {"day": date(2026, 1, 2), "places": ("a", {1: None}), "what": object}
    conversation.add(Message(Role.ASSISTANT, "", (ToolCall("1", "look", arguments),)))
    conversation.add(Message(Role.TOOL, "", tool_call_id="1"))
    exported = conversation.export()
    [call] = exported["messages"][0]["tool_calls"]
    assert call["arguments"] == {"day": "2026-01-02", "places": ["a", {"1": None}], "what": str(object)}
    again = Conversation()
    again.restore(json.loads(json.dumps(exported)))
    assert again.export() == exported


def test_nothing_said_is_a_history_too() -> None:
    assert Conversation().export() == {"version": 1, "messages": []}
    Conversation().restore({"version": 1, "messages": []})


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        (HISTORY["messages"], "Expected `object`, got `array`"),
        ("[]", "Expected `object`, got `str`"),
        ({"messages": []}, "missing required field `version`"),
        ({"version": 2, "messages": {}}, "history.version is 2; this Greenroom reads version 1"),
        ({"version": 1}, "missing required field `messages`"),
        ({"version": 1, "messages": [], "call": "c"}, "contains unknown field `call`"),
        (changed(0, role="system"), "Invalid enum value 'system' - at `history.messages[0].role`"),
        (changed(3, text=None), "Expected `str`, got `null` - at `history.messages[3].text`"),
        (changed(3, content="hi"), "unknown field `content` - at `history.messages[3]`"),
        (
            changed(1, tool_calls=[{"id": "1", "name": "x"}]),
            "field `arguments` - at `history.messages[1].tool_calls[0]`",
        ),
        (
            changed(0, tool_calls=HISTORY["messages"][1]["tool_calls"]),
            "history.messages[0].tool_calls: only an assistant",
        ),
        (changed(0, tool_call_id="1"), "history.messages[0].tool_call_id is '1' where the role is 'user'"),
        (changed(2, tool_call_id=None), "history.messages[2].tool_call_id is None where the role is 'tool'"),
        (changed(2, tool_call_id="2"), "history.messages[2].tool_call_id '2': no call before it waits for a result"),
        (changed(3, role="tool", tool_call_id="1"), "history.messages[3].tool_call_id '1': no call before it waits"),
        (changed(3, tool_calls=[{"id": "7", "name": "x", "arguments": {}}]), "no result of the function calls '7'"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(history: Any, complaint: str) -> None:
    conversation = Conversation()
    conversation.add(Message(Role.USER, "hello"))
    with pytest.raises(ValueError) as error:
        conversation.restore(history)
    assert complaint in str(error.value)
    assert [message.text for message in conversation.messages] == ["hello"]


def test_the_newest_that_fit_are_exported() -> None:
    conversation = Conversation()
    conversation.restore(HISTORY)
    whole = conversation.export()
    size = len(json.dumps(whole, separators=(",", ":")))
    assert conversation.export(max_bytes=size) == whole
    shorter = conversation.export(max_bytes=size - 1)
    assert shorter["messages"] == whole["messages"][1:]
    without_the_call = conversation.export(max_bytes=150)
    assert without_the_call["messages"] == whole["messages"][3:], "the result went with its call"
    Conversation().restore(without_the_call)
    assert conversation.export(max_bytes=0)["messages"] == []


@pytest.mark.parametrize("max_bytes", range(27, 900, 31))
def test_whatever_fits_can_be_restored(max_bytes: int) -> None:
    conversation = Conversation()
    for round_ in range(3):
        conversation.add(Message(Role.USER, f"üben {round_}"))
        for message in HISTORY["messages"][1:3]:
            calls = tuple(ToolCall(**call) for call in message.get("tool_calls", ()))
            conversation.add(Message(Role(message["role"]), message["text"], calls, message.get("tool_call_id")))
    exported = conversation.export(max_bytes=max_bytes)
    assert len(json.dumps(exported, separators=(",", ":"), ensure_ascii=False).encode()) <= max_bytes
    Conversation().restore(exported)
