"""What a test expects of a turn, and what it is told when that does not hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    Event,
    ToolCalledEvent,
    UserTranscriptEvent,
)
from greenroom.testing.log import Entry
from greenroom.testing.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE = """; these events came:
   1.    0.000 s  agent.user_transcript text='Boston and Rome?' final=True
   2.    0.500 s  agent.tool_called name='get_weather' output='sunny' failed=False duration_seconds=0.1 \
arguments={'location': 'Boston'}
   3.    1.000 s  agent.tool_called name='get_weather' output='rain' failed=False duration_seconds=0.1 \
arguments={'location': 'Rome'}
   4.    1.500 s  agent.agent_transcript text='Boston is sunny.' response_seconds=0.8
   5.    2.000 s  agent.agent_turn_started response_seconds=0.9
   6.    2.500 s  agent.agent_transcript text='It rains in Rome.' response_seconds=1.1
   7.    3.000 s  agent.error part='tts' error=OSError('cut')
   8.    3.500 s  agent.agent_turn_ended text='Boston is sunny. It rains in Rome.' interrupted=False"""


def tool(city: str, output: str) -> ToolCalledEvent:
    return ToolCalledEvent("get_weather", output, failed=False, duration_seconds=0.1, arguments={"location": city})


def turn(*events: Event) -> Turn:
    return Turn(Entry(number * 0.5, event) for number, event in enumerate(events))


@pytest.fixture
def weather() -> Turn:
    return turn(
        UserTranscriptEvent("Boston and Rome?", final=True),
        tool("Boston", "sunny"),
        tool("Rome", "rain"),
        AgentTranscriptEvent("Boston is sunny.", 0.8),
        AgentTurnStartedEvent(0.9),
        AgentTranscriptEvent("It rains in Rome.", 1.1),
        AgentErrorEvent("tts", OSError("cut")),
        AgentTurnEndedEvent("Boston is sunny. It rains in Rome.", interrupted=False),
    )


def test_what_a_turn_was(weather: Turn) -> None:
    assert weather.heard == "Boston and Rome?"
    assert weather.said == "Boston is sunny. It rains in Rome."
    assert [called.output for called in weather.tools] == ["sunny", "rain"]
    assert [str(error) for error in weather.errors] == ["cut"]
    assert (weather.first_words_seconds, weather.first_sound_seconds, weather.seconds) == (0.8, 0.9, 3.5)
    assert not weather.interrupted


def test_what_holds_gives_the_event(weather: Turn) -> None:
    rome = weather.expect_tool("get_weather", location="Rome")
    boston = weather.expect_tool("get_weather", location=re.compile("^Bos"))
    rains = weather.expect_said("RAINS")
    assert (rome.output, boston.output) == ("rain", "sunny")
    assert rains is weather.events[5]
    assert weather.expect_said(re.compile(r"sunny\. It rains")) is weather.events[7]  # no sentence alone has it
    weather.expect_order(boston, rome, rains)
    weather.expect_heard("rome")
    weather.expect_not_said("snow")
    weather.expect_no_tool("send_mail")
    weather.expect_answer_within(0.9)
    weather.expect_event(AgentErrorEvent, part="tts")
    weather.expect_nothing_else()


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        (lambda t: t.expect_tool("get_weather", location="Oslo"), "expected a call of get_weather(location='Oslo')"),
        (lambda t: t.expect_tool("get_weather", place="Rome"), "expected a call of get_weather(place='Rome')"),
        (lambda t: t.expect_tool("get_time"), "expected a call of get_time()"),
        (lambda t: t.expect_no_tool(), "expected no call of any function"),
        (lambda t: t.expect_no_tool("get_weather"), "expected no call of get_weather"),
        (lambda t: t.expect_said("snow"), "expected the agent to say 'snow'"),
        (lambda t: t.expect_said(re.compile("^Rome")), "expected the agent to say what '^Rome' finds"),
        (lambda t: t.expect_not_said("sunny"), "expected the agent not to say 'sunny'"),
        (lambda t: t.expect_heard("Oslo"), "expected the agent to hear 'Oslo'"),
        (lambda t: t.expect_event(AgentErrorEvent, part="stt"), "expected AgentErrorEvent part='stt'"),
        (lambda t: t.expect_answer_within(0.5), "expected an answer within 0.5 s, it took 0.900 s"),
        (
            lambda t: t.expect_order(t.events[3], t.events[1]),
            "expected agent.agent_transcript, agent.tool_called in this order, not as 4., 2.",
        ),
        (
            lambda t: t.expect_order(AgentTurnStartedEvent(0.9)),
            "expected an order of events of this turn, and agent.agent_turn_started is of another",
        ),
        (
            lambda t: t.expect_nothing_else(),
            "expected nothing else than what was asked for, but 2. agent.tool_called came",
        ),
    ],
)
def test_what_does_not_hold_shows_all_that_came(weather: Turn, expect: Callable[[Turn], object], message: str) -> None:
    with pytest.raises(AssertionError) as raised:
        expect(weather)
    assert str(raised.value) == message + WHOLE


def test_one_call_is_not_two() -> None:
    once = turn(tool("Rome", "rain"), AgentTurnEndedEvent("", interrupted=False))
    once.expect_tool("get_weather")
    with pytest.raises(AssertionError, match="expected a call of get_weather"):
        once.expect_tool("get_weather")


@pytest.mark.parametrize("left", ["tool", "words", "error"])
def test_nothing_else_means_tools_words_and_errors(weather: Turn, left: str) -> None:
    if left != "tool":
        weather.expect_tool("get_weather")
        weather.expect_tool("get_weather")
    if left != "words":
        weather.expect_said("sunny")
    if left != "error":
        weather.expect_event(AgentErrorEvent)
    with pytest.raises(AssertionError, match="expected nothing else"):
        weather.expect_nothing_else()


def test_an_answer_that_nobody_heard() -> None:
    silent = turn(AgentTurnEndedEvent("", interrupted=True))
    assert (silent.said, silent.heard, silent.interrupted) == ("", "", True)
    with pytest.raises(AssertionError, match="within 1 s, none came"):
        silent.expect_answer_within(1)
    with pytest.raises(AssertionError, match="to say ''"):
        turn().expect_said("")
