"""gemini.LLM on the real SDK against a fake of the service."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.fakes.gemini.server import SIGNATURE, FakeGemini, block, called, said
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent.conversation import Conversation, Message, Role, ToolCall
from greenroom.agent.interfaces import ModelRequest, TextDelta, Usage
from greenroom.plugins import gemini as plugin
from greenroom.plugins.gemini.client import CLIENTS
from greenroom.plugins.gemini.contents import NO_SIGNATURE
from greenroom.plugins.vendor import Backoff, VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.02)
HELLO = Message(Role.USER, "Hello there")
Piece = TextDelta | ToolCall | Usage


def llm(server: FakeGemini, **more: Any) -> plugin.LLM:
    given = {"model": "gemini-2.5-flash-lite", "api_key": KEY, "base_url": server.url, "backoff": QUICK}
    return plugin.LLM(**given | more)


def request(model: plugin.LLM, *messages: Message) -> ModelRequest:
    return ModelRequest("Be brief.", messages or (HELLO,), model.toolbox.tools)


async def answer(model: plugin.LLM, *messages: Message, close: bool = True) -> list[Piece]:
    try:
        return [piece async for piece in model.respond(request(model, *messages))]
    finally:
        if close:
            await model.close()


def text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


async def test_words_come_as_they_are_made_and_tokens_are_counted(gemini: FakeGemini) -> None:
    gemini.answers.append(said("It is ", "sunny ", "today."))
    pieces = await answer(llm(gemini, temperature=0.2, max_output_tokens=100, thinking_budget=0))
    assert pieces == [TextDelta("It is "), TextDelta("sunny "), TextDelta("today."), Usage(20, 3)]
    (asked,) = gemini.asked
    assert asked["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert asked["contents"] == [{"role": "user", "parts": [{"text": "Hello there"}]}]
    assert asked["generationConfig"]["temperature"] == 0.2
    assert asked["generationConfig"]["maxOutputTokens"] == 100
    assert asked["generationConfig"]["thinkingConfig"] == {"thinking_budget": 0}
    assert "gemini-2.5-flash-lite:streamGenerateContent" in gemini.requests[0]


async def test_a_function_is_declared_asked_for_and_answered(gemini: FakeGemini) -> None:
    model = llm(gemini)

    @model.register_function(description="Get the current weather for a location")
    async def get_weather(location: str, days: int = 1) -> str:
        return "sunny"

    question = Message(Role.USER, "What is the weather in Boston?")
    call, usage = await answer(model, question, close=False)
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("get_weather", {"location": "Boston"})
    assert isinstance(usage, Usage)
    (declared,) = gemini.asked[0]["tools"][0]["functionDeclarations"]
    assert declared["description"] == "Get the current weather for a location"
    assert declared["parameters_json_schema"]["required"] == ["location"]
    assert declared["parameters_json_schema"]["properties"]["days"]["type"] == "integer"

    asked = Message(Role.ASSISTANT, "", tool_calls=(call,))
    result = Message(Role.TOOL, "Sunny and 72°F.", tool_call_id=call.id)
    assert text(await answer(model, question, asked, result)) == "Sunny and 72°F."
    sent = gemini.asked[1]["contents"]
    assert [content["role"] for content in sent] == ["user", "model", "user"]
    assert sent[1]["parts"][0]["thoughtSignature"] == SIGNATURE, "given back as it came"


async def test_calls_side_by_side_with_ids_are_answered_in_one_turn(gemini: FakeGemini) -> None:
    model = llm(gemini)
    gemini.answers.append([*called("a", {"x": 1}, id="id-1")[:1], *called("b", {}, id="id-2")])
    calls = [piece for piece in await answer(model, close=False) if isinstance(piece, ToolCall)]
    assert [(call.id, call.name) for call in calls] == [("id-1", "a"), ("id-2", "b")]
    results = [Message(Role.TOOL, f"result of {call.name}", tool_call_id=call.id) for call in calls]
    await answer(model, HELLO, Message(Role.ASSISTANT, "", tool_calls=tuple(calls)), *results)
    responses = [part["functionResponse"] for part in gemini.asked[1]["contents"][2]["parts"]]
    assert [response["id"] for response in responses] == ["id-1", "id-2"]
    assert responses[1]["response"] == {"result": "result of b"}


async def test_rounds_of_calls_side_by_side_without_ids(gemini: FakeGemini) -> None:
    """Only the first call of a step bears a signature; each comes back where it was."""
    model = llm(gemini, model="gemini-3-flash-preview")
    conversation = [HELLO]
    for step in range(2):
        second = block({"functionCall": {"name": "b", "args": {"step": step}}})
        gemini.answers.append([called("a", {"step": step})[0], second, *said("")])
        calls = tuple(piece for piece in await answer(model, *conversation, close=False) if isinstance(piece, ToolCall))
        conversation.append(Message(Role.ASSISTANT, "", tool_calls=calls))
        conversation += [Message(Role.TOOL, f"{call.name}{step}", tool_call_id=call.id) for call in calls]
    await answer(model, *conversation)
    steps = gemini.asked[-1]["contents"]
    assert [content["role"] for content in steps] == ["user", "model", "user", "model", "user"]
    assert [part.get("thoughtSignature") for part in steps[3]["parts"]] == [SIGNATURE, None]
    assert [part["functionCall"]["args"] for part in steps[1]["parts"]] == [{"step": 0}] * 2
    results = [part["functionResponse"]["response"]["result"] for part in steps[4]["parts"]]
    assert results == ["a1", "b1"]


@pytest.mark.parametrize("name", ["gemini-3-flash-preview", "models/gemini-3.1-pro-preview", "gemini-2.5-flash-lite"])
async def test_a_conversation_of_another_day_or_model_goes_on(gemini: FakeGemini, name: str) -> None:
    """Its calls have lost the signatures of the thoughts behind them, without which newer models refuse a call."""
    calls = (ToolCall("1", "get_weather", {"location": "Rome"}), ToolCall("2", "get_time", {}))
    earlier = Conversation()
    earlier.add(Message(Role.USER, "How is Rome?"))
    earlier.add(Message(Role.ASSISTANT, "", tool_calls=calls))
    earlier.add(Message(Role.TOOL, "sunny", tool_call_id="1"))
    earlier.add(Message(Role.TOOL, "noon", tool_call_id="2"))
    earlier.add(Message(Role.ASSISTANT, "Sunny, at noon."))
    today = Conversation()
    today.restore(earlier.export())
    assert text(await answer(llm(gemini, model=name), *today.messages, HELLO)) == "You said: Hello there"
    signatures = [part.get("thoughtSignature") for part in gemini.asked[0]["contents"][1]["parts"]]
    assert signatures == ([None, None] if "2.5" in name else [NO_SIGNATURE, None])


async def test_a_call_that_it_garbled_is_asked_for_again(gemini: FakeGemini) -> None:
    gemini.answers.append(said("", end="MALFORMED_FUNCTION_CALL"))
    assert text(await answer(llm(gemini))) == "You said: Hello there"


async def test_all_tokens_are_counted(gemini: FakeGemini) -> None:
    used = {"promptTokenCount": 7, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 3, "thoughtsTokenCount": 5}
    first, last = said("Sun", "ny.")
    gemini.answers.append([first | {"usageMetadata": {"promptTokenCount": 7}}, last | {"usageMetadata": used}])
    assert (await answer(llm(gemini)))[-1] == Usage(9, 8)


async def test_further_settings_are_those_of_the_sdk(gemini: FakeGemini) -> None:
    from google.genai.types import GenerateContentConfig

    config = GenerateContentConfig(top_p=0.5, temperature=0.1)
    level = plugin.ThinkingLevel.LOW
    await answer(
        llm(gemini, model="gemini-3-flash-preview", config=config, temperature=0.7, seed=4, thinking_level=level)
    )
    asked = gemini.asked[0]["generationConfig"]
    assert (asked["topP"], asked["temperature"], asked["seed"]) == (0.5, 0.7, 4)
    assert asked["thinkingConfig"] == {"thinking_level": "LOW"}


async def test_what_the_sdk_does_not_know_is_said_before_the_call(gemini: FakeGemini) -> None:
    model = llm(gemini, temprature=0.5)
    try:
        with pytest.raises(ValueError, match=r"gemini\.LLM: temprature: Extra inputs are not permitted"):
            await model.start()
    finally:
        await model.close()
    assert gemini.requests == []


async def test_a_conversation_with_gaps_is_told_as_gemini_takes_it(gemini: FakeGemini) -> None:
    lost = ToolCall("gone", "get_weather", {})
    conversation = (
        Message(Role.TOOL, "a result whose question was forgotten", tool_call_id="forgotten"),
        Message(Role.ASSISTANT, "Welcome!"),
        Message(Role.USER, "One."),
        Message(Role.USER, "Two."),
        Message(Role.ASSISTANT, "", tool_calls=(lost,)),
        Message(Role.USER, "Three."),
    )
    await answer(llm(gemini), *conversation)
    told = [(content["role"], [part["text"] for part in content["parts"]]) for content in gemini.asked[0]["contents"]]
    assert told == [("model", ["Welcome!"]), ("user", ["One.", "Two.", "Three."])]


async def test_thoughts_are_not_spoken(gemini: FakeGemini) -> None:
    gemini.answers.append([block({"text": "The user greets me.", "thought": True}), *said("Hello.")])
    assert text(await answer(llm(gemini))) == "Hello."


@pytest.mark.parametrize(
    "fault", [Fault(status=429, retry_after="0.02s"), Fault(status=503), Fault(cut=True), Fault(malformed=True)]
)
async def test_what_passes_is_tried_again_and_counted(gemini: FakeGemini, fault: Fault) -> None:
    gemini.faults.append(fault)
    model = llm(gemini)
    assert text(await answer(model)) == "You said: Hello there"
    assert len(gemini.requests) == 2
    assert model.metrics.errors["llm"] == 1


async def test_it_is_not_tried_for_ever(gemini: FakeGemini) -> None:
    gemini.faults.extend([Fault(status=429)] * 5)
    with pytest.raises(VendorError, match=r"Gemini is at its limit \(HTTP 429\): Try again later"):
        await answer(llm(gemini))
    assert len(gemini.requests) == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(cut=True, after=2), "Gemini cannot be reached or hung up"),
        (Fault(malformed=True, after=2), "Gemini sent something that cannot be read"),
        (Fault(stall=True, after=2), r"Gemini sent nothing for 1 s"),
    ],
)
async def test_an_answer_that_breaks_off_is_an_error_and_is_not_begun_again(
    gemini: FakeGemini, fault: Fault, message: str
) -> None:
    gemini.faults.append(fault)
    model, pieces = llm(gemini, next_token_seconds=1.0), []
    with pytest.raises(VendorError, match=message) as caught:  # noqa: PT012
        async for piece in model.respond(request(model)):
            pieces.append(piece)  # noqa: PERF401 - what came before the error counts
    await model.close()
    assert text(pieces) == "You said: "
    assert len(gemini.requests) == 1
    assert caught.value.__context__ is None


async def test_an_end_without_a_reason_is_an_error(gemini: FakeGemini) -> None:
    gemini.answers.append([block({"text": "Well, "})])
    with pytest.raises(VendorError, match="stopped in the middle"):
        await answer(llm(gemini))


@pytest.mark.parametrize("why", ["SAFETY", "PROHIBITED_CONTENT"])
async def test_a_refusal_names_its_reason(gemini: FakeGemini, why: str) -> None:
    gemini.answers.append(said("", end=why))
    with pytest.raises(VendorError, match=f"gave no answer: {why}"):
        await answer(llm(gemini))


async def test_a_refused_question_names_its_reason(gemini: FakeGemini) -> None:
    gemini.answers.append([{"promptFeedback": {"blockReason": "SAFETY"}}])
    with pytest.raises(VendorError, match=r"gave no answer: the question was refused \(SAFETY\)"):
        await answer(llm(gemini))


async def test_a_slow_service_is_asked_again(gemini: FakeGemini) -> None:
    gemini.faults.append(Fault(delay_seconds=60))
    assert text(await answer(llm(gemini, first_token_seconds=1.0))) == "You said: Hello there"


async def test_a_wrong_key_is_said_so_once_and_not_shown(gemini: FakeGemini) -> None:
    with pytest.raises(VendorError, match=r"Gemini refused the API key \(HTTP 401\).*check GOOGLE_API_KEY") as caught:
        await answer(llm(gemini, api_key="another-key-987"))
    assert gemini.refused == 1
    assert "another-key-987" not in repr(caught.value.__dict__) + str(caught.value)
    assert caught.value.__context__ is None


async def test_nobody_there(unused_port: int) -> None:
    model = plugin.LLM(api_key=KEY, base_url=f"http://127.0.0.1:{unused_port}", backoff=QUICK)
    with pytest.raises(VendorError, match="cannot be reached"):
        await answer(model)


async def test_an_answer_that_is_not_wanted_any_more_is_stopped_at_the_other_end(gemini: FakeGemini) -> None:
    gemini.faults.append(Fault(stall=True, after=1))
    model = llm(gemini)
    async with aclosing(cast("AsyncGenerator[Piece, None]", model.respond(request(model)))) as pieces:
        assert await anext(pieces) == TextDelta("You ")
        assert gemini.in_work == 1
    await gemini.settled(connections=1)
    await model.close()


async def test_closing_during_an_answer_leaves_nothing(gemini: FakeGemini) -> None:
    gemini.faults.append(Fault(stall=True, after=1))
    model = llm(gemini)
    answering = asyncio.create_task(answer(model, close=False))
    async with asyncio.timeout(30):
        while not gemini.in_work:
            await asyncio.sleep(0.01)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await model.close()
    assert CLIENTS.count == 0


async def test_sessions_share_connections_and_the_last_one_closes_them(gemini: FakeGemini) -> None:
    first, second = llm(gemini), llm(gemini)
    await asyncio.gather(first.start(), second.start())
    assert gemini.connections == 1, "open before the first question"
    for model in (first, second, first):
        await answer(model, close=False)
    assert gemini.connections == 1
    await first.close()
    await answer(second)
    assert CLIENTS.count == 0
