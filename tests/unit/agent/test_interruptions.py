"""A sound while the agent speaks: words cut the answer off, a sound without words only holds it up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from prometheus_client import Counter
from tests.fakes import scripted_voice as scripted
from tests.fakes.scripted_voice import tone
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent.audio import FRAME_BYTES, silence
from greenroom.agent.conversation import ToolCall
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTurnEndedEvent,
    AgentTurnPausedEvent,
    AgentTurnResumedEvent,
    AgentTurnStartedEvent,
)
from greenroom.agent.interfaces import TextDelta
from greenroom.agent.interruption import WORDS_WITHIN_SECONDS
from greenroom.agent.thinking import CUT_OFF
from greenroom.observability.process import FALSE_INTERRUPTIONS

QUESTION = tone(1.0) + silence(0.6)
COUGH = tone(0.3) + silence(0.6)
LONG = " ".join(f"word{number}" for number in range(30)) + "."


def counted(counter: Counter) -> float:
    return counter.collect()[0].samples[0].value


def stage_that_hears(*texts: str | Exception, answers: int = 1) -> Stage:
    stage = Stage(["hello", *texts], [[TextDelta(LONG)], *([TextDelta("Yes?")] for _ in range(answers))])
    stage.stt.partials = False
    return stage


def spoken(connection: scripted.Connection) -> bytes:
    return b"".join(frame for _, frame in connection.sent)


def longest_silence(connection: scripted.Connection, since: float) -> float:
    times = [at for at, _ in connection.sent if at >= since]
    return max(after - before for before, after in pairwise(times))


def cough_in_the_answer(stage: Stage, seconds: float = 6.0) -> tuple[scripted.Connection, float]:
    async def scene() -> tuple[scripted.Connection, float]:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(1.0)
            coughed_at = stage.clock.boot()
            await connection.speak(COUGH)
            await stage.clock.sleep(seconds)
            return connection, coughed_at

    return run_virtual(scene())


def test_after_a_sound_without_words_the_agent_goes_on_and_no_word_is_lost() -> None:
    stage = stage_that_hears("")
    before = counted(FALSE_INTERRUPTIONS)
    connection, coughed_at = cough_in_the_answer(stage)
    assert [type(event) for event in stage.seen(AgentTurnPausedEvent, AgentTurnResumedEvent, AgentTurnEndedEvent)] == [
        AgentTurnPausedEvent,
        AgentTurnResumedEvent,
        AgentTurnEndedEvent,
    ]
    assert stage.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent(LONG, interrupted=False)]
    assert stage.history()[-1] == ("assistant", LONG)
    assert counted(FALSE_INTERRUPTIONS) == before + 1
    assert len(stage.seen(AgentTurnStartedEvent)) == 1
    assert 0.4 < longest_silence(connection, coughed_at) < 0.8, "silent from the cough to the end of its turn"
    assert connection.cleared == 1
    whole = tone(3.0)
    assert len(spoken(connection)) - connection.unheard_bytes == len(whole)


def test_a_recogniser_that_fails_or_says_nothing_does_not_silence_the_agent_for_good() -> None:
    failing = stage_that_hears(OSError("gone"))
    cough_in_the_answer(failing)
    assert failing.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent(LONG, interrupted=False)]
    assert len(failing.seen(AgentErrorEvent)) == 1
    hanging = stage_that_hears("too late")
    hanging.stt.finish_seconds = 0.05
    hanging.stt.finish_pauses = [0.05, 1e6]
    connection, coughed_at = cough_in_the_answer(hanging, seconds=9.0)
    assert hanging.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent(LONG, interrupted=False)]
    assert WORDS_WITHIN_SECONDS < longest_silence(connection, coughed_at) < WORDS_WITHIN_SECONDS + 0.8


def test_words_end_the_answer_that_was_held_up() -> None:
    stage = stage_that_hears("stop")
    cough_in_the_answer(stage)
    cut, answer = stage.seen(AgentTurnEndedEvent)
    assert isinstance(cut, AgentTurnEndedEvent)
    assert cut.interrupted
    assert LONG.startswith(cut.text)
    assert answer == AgentTurnEndedEvent("Yes?", interrupted=False)
    assert stage.seen(AgentTurnResumedEvent) == []


@pytest.mark.parametrize("milliseconds", range(560, 780, 4))
def test_words_at_the_very_end_of_an_answer_are_answered(milliseconds: int) -> None:
    stage = Stage(
        ["hello", "and now"], [[TextDelta("One two three four five six seven eight nine ten.")], [TextDelta("Yes?")]]
    )
    stage.stt.partials = False

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(milliseconds / 1000)
            await connection.speak(QUESTION)
            await stage.clock.sleep(1.0)

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent)[1:] == [AgentTurnEndedEvent("Yes?", interrupted=False)]


def test_an_answer_that_fails_while_it_is_held_up_does_not_silence_the_next_one() -> None:
    stage = Stage(["hello", "and now"], [[TextDelta(LONG), 1.6, OSError("gone")], [TextDelta("Yes?")]])
    stage.stt.partials = False
    cough_in_the_answer(stage)
    assert len(stage.seen(AgentErrorEvent)) == 1
    assert stage.seen(AgentTurnEndedEvent)[1:] == [AgentTurnEndedEvent("Yes?", interrupted=False)]


def test_a_sound_before_the_first_sound_of_the_answer_holds_it_up_too() -> None:
    stage = Stage(["hello", ""], [[1.0, TextDelta("Here I am.")]])
    stage.stt.partials = False

    async def scene() -> float:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(0.4)
            await connection.speak(tone(2.0))
            assert connection.sent == []
            await connection.speak(silence(0.6))
            await stage.clock.sleep(1.0)
            return len(spoken(connection)) / FRAME_BYTES

    assert run_virtual(scene()) == 15
    assert stage.seen(AgentTurnPausedEvent) == []
    assert stage.history()[-1] == ("assistant", "Here I am.")


def test_a_function_that_was_cut_off_is_in_the_history() -> None:
    stage = Stage(["book it", "no wait"], [[ToolCall("c1", "book", {})], [TextDelta("All right.")]])

    @stage.agent.llm.register_function(description="Book a table")
    async def book() -> str:
        await stage.clock.sleep(10)
        return "booked"

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)

    run_virtual(scene())
    assert stage.history() == [
        ("user", "book it"),
        ("assistant", ""),
        ("tool", CUT_OFF),
        ("user", "no wait"),
        ("assistant", "All right."),
    ]
    stage.agent.conversation.restore(stage.agent.conversation.export())
