"""The voice loop with scripted engines on virtual time: what is heard, said, cut off, counted and survived."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import Counter
from tests.fakes import scripted_voice as scripted
from tests.fakes.scripted_voice import tone
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, seconds_of, silence
from greenroom.agent.conversation import ToolCall
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    ToolCalledEvent,
    UserTranscriptEvent,
    UserTurnEndedEvent,
    UserTurnStartedEvent,
)
from greenroom.agent.interfaces import TextDelta, Usage
from greenroom.agent.participants import Participant
from greenroom.observability.process import DROPPED_SOUND

QUESTION = tone(1.0) + silence(0.6)


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm), FRAME_BYTES)]


def counted(counter: Counter) -> float:
    return counter.collect()[0].samples[0].value


def test_a_spoken_question_is_answered_aloud() -> None:
    stage = Stage(["what is the weather"], [[0.1, TextDelta("It is sunny."), TextDelta(" And warm."), Usage(12, 5)]])
    stage.tts.delay_seconds = 0.04

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(3)

    run_virtual(scene())
    assert stage.history() == [("user", "what is the weather"), ("assistant", "It is sunny. And warm.")]
    assert stage.llm.requests[0].instructions == "Be brief."
    assert stage.tts.asked == ["It is sunny.", "And warm."]
    assert seconds_of(stage.stt.fed[0]) == pytest.approx(1.0 + 0.32, abs=0.07)
    transcripts = UserTranscriptEvent | AgentTranscriptEvent
    kinds = [type(event) for event in stage.seen() if not isinstance(event, transcripts)]
    assert kinds[2:-1] == [UserTurnStartedEvent, UserTurnEndedEvent, AgentTurnStartedEvent, AgentTurnEndedEvent]
    assert [event for event in stage.seen(UserTranscriptEvent) if event.final] == [
        UserTranscriptEvent("what is the weather", final=True)
    ]
    assert [event.text for event in stage.events if isinstance(event, AgentTranscriptEvent)] == [
        "It is sunny.",
        "And warm.",
    ]


def test_the_answer_goes_out_in_20_ms_frames_at_the_pace_of_real_time() -> None:
    stage = Stage(["hi"], [[TextDelta("One two three four five six seven eight nine ten.")]])

    async def scene() -> list[tuple[float, bytes]]:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(3)
            return connection.sent

    sent = run_virtual(scene())
    assert len(sent) == 1.0 / FRAME_SECONDS
    assert {len(frame) for _, frame in sent} == {FRAME_BYTES}
    first = sent[0][0]
    ahead = [number * FRAME_SECONDS - (at - first) for number, (at, _) in enumerate(sent)]
    assert max(ahead) <= 0.041
    assert min(ahead) >= -0.0001


def test_every_figure_of_the_turn_is_measured() -> None:
    stage = Stage(["weather"], [[0.1, TextDelta("It "), 0.2, TextDelta("rains."), Usage(7, 2)]])
    stage.stt.finish_seconds = 0.05
    stage.tts.delay_seconds = 0.04

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(3)

    run_virtual(scene())
    figures = stage.agent.metrics.to_dict()
    assert figures["stt_latency_ms__avg"] == pytest.approx(50)
    assert figures["llm_time_to_first_token_ms__avg"] == pytest.approx(100)
    assert figures["llm_latency_ms__avg"] == pytest.approx(300)
    assert figures["llm_input_tokens__total"] == 7
    assert figures["llm_output_tokens__total"] == 2
    assert figures["tts_latency_ms__avg"] == pytest.approx(40)
    assert figures["tts_audio_duration_ms__total"] == 200
    assert figures["tts_characters__total"] == len("It rains.")
    assert figures["turn_duration_ms__avg"] == pytest.approx(1000, abs=40)
    assert figures["turn_trailing_silence_ms__avg"] == pytest.approx(320)
    assert figures["stt_audio_duration_ms__total"] == pytest.approx(1320, abs=70)
    (started,) = stage.seen(AgentTurnStartedEvent)
    assert isinstance(started, AgentTurnStartedEvent)
    assert started.response_seconds == pytest.approx(0.32 + 0.05 + 0.3 + 0.04, abs=0.03)


def test_the_first_sentence_is_spoken_while_the_model_still_thinks() -> None:
    stage = Stage(["hi"], [[TextDelta("Let me see."), 5.0, TextDelta(" Found it.")]])

    async def scene() -> tuple[int, int]:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(1)
            early = len(connection.sent)
            await stage.clock.sleep(6)
            return early, len(connection.sent)

    early, all_frames = run_virtual(scene())
    assert early == 0.3 / FRAME_SECONDS
    assert all_frames == 0.5 / FRAME_SECONDS


def test_the_model_calls_functions_and_sees_their_results() -> None:
    stage = Stage(
        ["weather in boston"],
        [[ToolCall("c1", "get_weather", {"location": "Boston"}), Usage(5, 1)], [TextDelta("Sunny."), Usage(9, 1)]],
    )

    @stage.agent.llm.register_function(description="Get the weather")
    async def get_weather(location: str) -> str:
        await stage.clock.sleep(0.25)
        return f"sunny in {location}"

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(3)

    run_virtual(scene())
    assert [tool.name for tool in stage.llm.requests[0].tools] == ["get_weather"]
    assert [(m.role.value, m.text) for m in stage.llm.requests[1].messages] == [
        ("user", "weather in boston"),
        ("assistant", ""),
        ("tool", "sunny in Boston"),
    ]
    assert stage.llm.requests[1].messages[2].tool_call_id == "c1"
    assert stage.history()[-1] == ("assistant", "Sunny.")
    assert stage.seen(ToolCalledEvent) == [
        ToolCalledEvent(
            "get_weather",
            "sunny in Boston",
            failed=False,
            duration_seconds=pytest.approx(0.25),
            arguments={"location": "Boston"},
        )
    ]
    figures = stage.agent.metrics.to_dict()
    assert figures["llm_tool_calls__total"] == 1
    assert figures["llm_tool_latency_ms__avg"] == pytest.approx(250)
    assert figures["llm_input_tokens__total"] == 14


def test_a_barge_in_is_silence_within_100_ms_and_history_keeps_what_was_heard() -> None:
    words = " ".join(f"word{number}" for number in range(40)) + "."
    stage = Stage(["hello", "stop"], [[TextDelta(words)], [TextDelta("Fine.")]])

    async def scene() -> float:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(1.0)
            spoke_at = stage.clock.boot()
            await connection.speak(tone(0.5))
            frames_after = [at for at, _ in connection.sent if at > spoke_at]
            await connection.speak(silence(0.5))
            await stage.clock.sleep(2)
            return max(frames_after) - spoke_at

    assert run_virtual(scene()) <= 0.1
    cut, fine = stage.seen(AgentTurnEndedEvent)
    assert isinstance(cut, AgentTurnEndedEvent)
    assert cut.interrupted
    assert 5 <= len(cut.text.split()) <= 20
    assert words.startswith(cut.text)
    assert fine == AgentTurnEndedEvent("Fine.", interrupted=False)
    message = stage.agent.conversation.messages[1]
    assert (message.text, message.interrupted) == (cut.text, True)


def test_a_barge_in_stops_the_model_too() -> None:
    stage = Stage(["hello", "never mind"], [[10.0, TextDelta("Too late.")], [TextDelta("Fine.")]])

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(1)
            await connection.speak(QUESTION)
            await stage.clock.sleep(15)

    run_virtual(scene())
    assert stage.llm.cut_off == 1
    assert stage.tts.asked == ["Fine."]
    assert stage.agent.metrics.llm_latency_ms__avg.value() == pytest.approx(0)


def test_a_user_who_goes_on_speaking_gets_one_answer_to_all_of_it() -> None:
    stage = Stage(["what is", "the weather"], [[TextDelta("Sunny.")]])
    stage.stt.finish_seconds = 0.5

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(tone(0.5) + silence(0.4) + tone(1.0) + silence(0.6))
            await stage.clock.sleep(5)

    run_virtual(scene())
    assert stage.history() == [("user", "what is the weather"), ("assistant", "Sunny.")]


def test_sound_without_words_is_no_turn() -> None:
    stage = Stage([""], [])

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)

    run_virtual(scene())
    assert stage.history() == []
    assert stage.llm.requests == []


def test_a_caller_who_stops_sending_has_ended_the_turn() -> None:
    stage = Stage(["hello"], [[TextDelta("Hello.")]])

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(tone(1.0))
            await stage.clock.sleep(3)

    run_virtual(scene())
    assert stage.history() == [("user", "hello"), ("assistant", "Hello.")]


def test_a_turn_without_an_end_is_cut_after_a_minute() -> None:
    stage = Stage(["on and on", "and on"], [[TextDelta("I see.")]])

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(tone(90.0) + silence(0.6))
            await stage.clock.sleep(3)

    run_virtual(scene())
    assert seconds_of(max(stage.stt.fed, key=len)) < 61
    assert stage.history()[0] == ("user", "on and on and on")


@pytest.mark.parametrize("part", ["llm", "tts", "stt"])
def test_a_part_that_fails_is_reported_and_the_call_goes_on(part: str) -> None:
    failure = ConnectionError("vendor is down")
    stage = Stage(["one", "two"], [[TextDelta("First.")], [TextDelta("Second.")]])
    if part == "llm":
        stage.llm.answers[0] = [failure]
    elif part == "tts":
        stage.tts.failures.append(failure)
    else:
        stage.stt.texts[0] = failure
        del stage.llm.answers[0]

    async def scene() -> None:
        async with stage.on_call() as connection:
            for _ in range(2):
                await connection.speak(QUESTION)
                await stage.clock.sleep(3)

    run_virtual(scene())
    (error,) = stage.seen(AgentErrorEvent)
    assert isinstance(error, AgentErrorEvent)
    assert error.error is failure
    assert stage.history()[-2:] == [("user", "two"), ("assistant", "Second.")]
    assert stage.stt.abandoned == (part == "stt")


def test_simple_response_and_say_return_when_it_has_been_said() -> None:
    stage = Stage([], [[TextDelta("Hello there, how are you?")]])

    async def scene() -> tuple[float, float]:
        async with stage.on_call():
            started = stage.clock.boot()
            await stage.agent.simple_response("Greet the user")
            greeted = stage.clock.boot() - started
            await stage.agent.say("One two three. Four five.")
            return greeted, stage.clock.boot() - started - greeted

    greeted, said = run_virtual(scene())
    assert greeted == pytest.approx(0.5, abs=0.05)
    assert said == pytest.approx(0.5, abs=0.07)
    assert stage.history() == [
        ("user", "Greet the user"),
        ("assistant", "Hello there, how are you?"),
        ("assistant", "One two three. Four five."),
    ]


def test_late_sound_is_dropped_and_counted_when_the_ears_cannot_follow() -> None:
    stage = Stage([], [])

    async def scene() -> float:
        async with stage.on_call() as connection:
            before = counted(DROPPED_SOUND)
            for _ in range(500):  # ten seconds at one moment: nobody can have listened meanwhile
                connection.sink.audio_received(scripted.CALLER, silence(FRAME_SECONDS))
            return counted(DROPPED_SOUND) - before

    assert run_virtual(scene()) == pytest.approx(8.0, abs=0.05)


def test_of_several_whoever_speaks_is_heard_and_named() -> None:
    stage = Stage(["hello", "me too"], [[TextDelta("Hi.")], [TextDelta("Hi you.")]])
    other = Participant("other")

    async def scene() -> None:
        async with stage.on_call() as connection:
            connection.sink.participant_joined(other)
            for speaker, quiet in ((scripted.CALLER, other), (other, scripted.CALLER)):
                for frame in frames(QUESTION):
                    connection.sink.audio_received(speaker, frame)
                    connection.sink.audio_received(quiet, silence(FRAME_SECONDS))
                    await stage.clock.sleep(FRAME_SECONDS)
                await stage.clock.sleep(1)

    run_virtual(scene())
    finals = [event for event in stage.seen(UserTranscriptEvent) if event.final]
    assert [(event.text, event.participant) for event in finals] == [("hello", scripted.CALLER), ("me too", other)]


def test_what_a_model_said_before_it_broke_off_is_spoken_to_its_end() -> None:
    stage = Stage(
        ["hi", "go on"],
        [[TextDelta("One two three four. Five"), RuntimeError("cut")], [TextDelta("Six.")]],
    )

    async def scene() -> int:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)
            frames = len(connection.sent)
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)
            return frames

    assert run_virtual(scene()) == 0.4 / FRAME_SECONDS
    assert stage.seen(AgentTurnEndedEvent) == [
        AgentTurnEndedEvent("One two three four.", interrupted=True),
        AgentTurnEndedEvent("Six.", interrupted=False),
    ]
    (error,) = stage.seen(AgentErrorEvent)
    assert isinstance(error, AgentErrorEvent)
    assert (error.part, str(error.error)) == ("answer", "cut")


def test_what_a_voice_made_before_it_failed_is_heard_to_its_end() -> None:
    stage = Stage(["hi", "go on"], [[TextDelta("One two three four five six. Seven eight.")], [TextDelta("Nine.")]])

    async def scene() -> list[float]:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(3)
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)
            return [at for at, _ in connection.sent]

    stage.tts.failures = [None, RuntimeError("no more")]
    times = run_virtual(scene())
    first, last = stage.seen(AgentTurnEndedEvent)
    assert first == AgentTurnEndedEvent("One two three four five six.", interrupted=True)
    assert last == AgentTurnEndedEvent("Nine.", interrupted=False)
    assert len(times) * FRAME_SECONDS == pytest.approx(0.7)


def test_handlers_get_the_events_they_are_annotated_with_and_may_fail() -> None:
    stage = Stage(["hi"], [[TextDelta("Hello.")]])
    got: list[object] = []

    @stage.agent.subscribe
    async def both(event: AgentTurnStartedEvent | AgentTurnEndedEvent) -> None:
        await asyncio.sleep(0)
        got.append(type(event))

    @stage.agent.subscribe
    def broken(event: AgentTurnStartedEvent) -> None:
        raise LookupError("a bug of the user's")

    with pytest.raises(ValueError, match="annotate its argument"):
        stage.agent.subscribe(lambda event: None)

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(QUESTION)
            await stage.clock.sleep(2)

    run_virtual(scene())
    assert got == [AgentTurnStartedEvent, AgentTurnEndedEvent]
