"""A user who types: heard as if they had spoken, company for the agent, and no obstacle to those who speak."""

from __future__ import annotations

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.scripted_voice import CALLER, tone
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent.audio import silence
from greenroom.agent.events import AgentTranscriptEvent, AgentTurnStartedEvent, UserTranscriptEvent
from greenroom.agent.interfaces import TextDelta
from greenroom.agent.participants import Participant

TYPIST = Participant("typist", "You")


def test_a_typed_text_is_transcribed_answered_and_measured() -> None:
    stage = Stage([], [[0.1, TextDelta("It is sunny."), 0.2, TextDelta(" And warm.")]])
    stage.tts.delay_seconds = 0.05

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.user_said("what is the weather")

    run_virtual(scene())
    assert stage.history() == [("user", "what is the weather"), ("assistant", "It is sunny. And warm.")]
    assert stage.seen(UserTranscriptEvent) == [UserTranscriptEvent("what is the weather", final=True)]
    assert stage.seen(AgentTranscriptEvent) == [
        AgentTranscriptEvent("It is sunny.", pytest.approx(0.1)),
        AgentTranscriptEvent("And warm.", pytest.approx(0.3)),
    ]
    assert stage.seen(AgentTurnStartedEvent) == [AgentTurnStartedEvent(pytest.approx(0.15))]


def test_the_transcript_of_a_waiting_text_comes_when_its_turn_does() -> None:
    stage = Stage([], [[TextDelta("One.")], [TextDelta("Two.")]])

    async def scene() -> None:
        async with stage.on_call():
            first = stage.agent.user_said("first", interrupt=False)
            second = stage.agent.user_said("second", interrupt=False)
            await first
            await second

    run_virtual(scene())
    said = [event.text for event in stage.seen(UserTranscriptEvent, AgentTranscriptEvent)]
    assert said == ["first", "One.", "second", "Two."]


def test_what_the_agent_says_by_itself_answers_nobody() -> None:
    stage = Stage()

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.say("Hello there.")

    run_virtual(scene())
    assert stage.seen(AgentTranscriptEvent) == [AgentTranscriptEvent("Hello there.", None)]


def test_company_without_a_voice_keeps_the_agent_from_being_alone() -> None:
    stage = Stage(somebody_there=False)

    async def scene() -> tuple[float, float, float]:
        with stage.agent.accompanied_by(TYPIST):
            began = stage.clock.boot()
            async with stage.on_call():
                joined_after = stage.clock.boot() - began
                await stage.clock.sleep(5)
                with_company = stage.agent.idle_for()
                return joined_after, with_company, stage.agent.on_call_for()

    joined_after, with_company, on_call = run_virtual(scene())
    assert joined_after < 1
    assert with_company == 0
    assert on_call == pytest.approx(5)


def test_the_agent_is_alone_again_when_its_company_has_gone() -> None:
    stage = Stage(somebody_there=False)

    async def scene() -> float:
        async with stage.on_call(participant_wait_timeout=0):
            with stage.agent.accompanied_by(TYPIST):
                await stage.clock.sleep(5)
            await stage.clock.sleep(2)
            return stage.agent.idle_for()

    assert run_virtual(scene()) == pytest.approx(2)


def test_a_caller_is_heard_beside_somebody_without_a_voice() -> None:
    stage = Stage(["hello"], [[TextDelta("Hi.")]], somebody_there=False)

    async def scene() -> None:
        with stage.agent.accompanied_by(TYPIST):
            async with stage.on_call() as connection:
                assert isinstance(connection, scripted.Connection)
                connection.sink.participant_joined(CALLER)
                await connection.speak(tone(1.0) + silence(0.6))
                await stage.clock.sleep(3)

    run_virtual(scene())
    assert stage.history() == [("user", "hello"), ("assistant", "Hi.")]
