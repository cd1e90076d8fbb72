"""Functions for models: schemas, arguments, limits."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent.conversation import ToolCall
from greenroom.agent.tools import CALL_LIMIT_SECONDS, MAX_OUTPUT_CHARACTERS, PARALLEL_CALLS, Tool, Toolbox


async def get_weather(location: str, unit: Literal["C", "F"] = "C", days: int | None = None) -> str:
    """Get the current weather."""
    return f"{location} {unit} {days!r}"


def toolbox(*functions: object) -> Toolbox:
    box = Toolbox()
    for function in functions:
        box.add(Tool.of(function, None, None))  # type: ignore[arg-type]
    return box


def call(name: str, call_id: str = "1", **arguments: object) -> ToolCall:
    return ToolCall(call_id, name, arguments)


def test_schema_name_and_description_come_from_the_function() -> None:
    tool = Tool.of(get_weather, None, None)
    assert (tool.name, tool.description) == ("get_weather", "Get the current weather.")
    assert tool.parameters["type"] == "object"
    assert tool.parameters["required"] == ["location"]
    assert tool.parameters["properties"]["location"] == {"type": "string"}
    assert tool.parameters["properties"]["unit"]["enum"] == ["C", "F"]
    assert {"type": "integer"} in tool.parameters["properties"]["days"]["anyOf"]


def test_a_given_name_and_description_win() -> None:
    tool = Tool.of(get_weather, "weather", "Says it.")
    assert (tool.name, tool.description) == ("weather", "Says it.")


def test_only_async_functions_with_named_parameters_can_be_registered() -> None:
    def plain() -> str:
        return ""

    async def starred(*places: str) -> str:
        return ""

    with pytest.raises(ValueError, match="only async functions"):
        Tool.of(plain, None, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'places'.*plain named parameters"):
        Tool.of(starred, None, None)


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'get_weather' is registered already"):
        toolbox(get_weather, get_weather)


def test_arguments_are_converted_and_defaults_are_the_functions_own() -> None:
    box = toolbox(get_weather)
    results = run_virtual(
        box.run(
            [call("get_weather", location="Boston"), call("get_weather", location="Rome", days="3")], VirtualClock()
        )
    )
    assert [result.output for result in results] == ["Boston C None", "Rome C 3"]
    assert not any(result.failed for result in results)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (call("get_weather"), "location"),
        (call("get_weather", location="x", unit="K"), "unit"),
        (call("get_weather", location="x", planet="Mars"), "planet"),
        (call("launch_rocket"), "There is no function 'launch_rocket'"),
    ],
)
def test_a_bad_call_is_a_result_that_the_model_can_read(bad: ToolCall, says: str) -> None:
    (result,) = run_virtual(toolbox(get_weather).run([bad], VirtualClock()))
    assert result.failed
    assert says in result.output


def test_an_exception_is_a_result_and_output_is_text_of_bounded_length() -> None:
    async def broken() -> str:
        raise LookupError("no such place")

    async def long() -> str:
        return "x" * (MAX_OUTPUT_CHARACTERS + 5)

    async def table() -> dict[str, int]:
        return {"a": 1}

    box = toolbox(broken, long, table)
    broken_one, long_one, table_one = run_virtual(
        box.run([call("broken"), call("long"), call("table")], VirtualClock())
    )
    assert (broken_one.failed, broken_one.output) == (True, "broken failed: LookupError: no such place")
    assert len(long_one.output) == MAX_OUTPUT_CHARACTERS
    assert table_one.output == '{"a":1}'


def test_a_function_that_hangs_is_given_up_after_its_limit() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return "never"

    (result,) = run_virtual(toolbox(hangs).run([call("hangs")], VirtualClock()))
    assert result.failed
    assert "did not answer within 30 s" in result.output
    assert result.duration_seconds == pytest.approx(CALL_LIMIT_SECONDS)


def test_calls_run_side_by_side_eight_at_a_time_and_equal_ones_once() -> None:
    running: list[int] = []
    most: list[int] = []

    async def slow(number: int) -> int:
        running.append(number)
        most.append(len(running))
        await asyncio.sleep(1)
        running.remove(number)
        return number

    calls = [call("slow", str(number), number=number) for number in range(20)]
    clock = VirtualClock()

    async def timed() -> tuple[list[str], float]:
        started = clock.boot()
        results = await toolbox(slow).run([*calls, calls[3]], clock)
        return [result.output for result in results], clock.boot() - started

    outputs, seconds = run_virtual(timed())
    assert outputs == [str(number) for number in range(20)]
    assert max(most) == PARALLEL_CALLS
    assert seconds == pytest.approx(3)
