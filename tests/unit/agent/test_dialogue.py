"""The loop of a call with a model that hears and speaks, scripted, on virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.scripted_realtime import Realtime, RealtimeStage, reply, spoken_word
from tests.fakes.scripted_voice import CALLER, Edge, Tts, Vad, tone
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, Message, Role, ToolCall, User
from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, seconds_of, silence
from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    Event,
    ToolCalledEvent,
    UserTranscriptEvent,
    UserTurnEndedEvent,
    UserTurnStartedEvent,
)
from greenroom.agent.interfaces import Usage
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    PictureGiven,
    RealtimeTrouble,
    ReplyCut,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    ResultGiven,
    TextGiven,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)
from greenroom.agent.reply import MAX_WAITING_SECONDS
from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

STORY = "This is a story. It goes on for ten words more."


def last_of(stage: RealtimeStage, kind: type[Event]) -> Any:
    return stage.seen(kind)[-1]


def answers(stage: RealtimeStage) -> list[str]:
    return [event.text for event in stage.seen() if isinstance(event, AgentTurnEndedEvent)]


def test_speech_is_answered_aloud_and_told_in_order() -> None:
    stage = RealtimeStage()

    async def scene() -> list[tuple[float, bytes]]:
        async with stage.on_call() as connection:
            await connection.speak(tone(1.0) + silence(0.5))
            stage.model.say(UserBegan(), UserSoFar("what is"), UserOver(), UserSaid("what is the weather"))
            await stage.model.play(reply("It is sunny. And warm"))
            await stage.clock.sleep(2)
            return connection.sent

    sent = run_virtual(scene())
    assert stage.model.openings[0].instructions == "Be brief."
    assert seconds_of(stage.model.sound) >= 1.4
    assert seconds_of(b"".join(frame for _, frame in sent)) == pytest.approx(0.5)
    assert [at - sent[0][0] <= number * FRAME_SECONDS for number, (at, _) in enumerate(sent)] == [True] * len(sent)
    assert stage.seen()[2:-1] == [
        UserTurnStartedEvent(),
        UserTranscriptEvent("what is", final=False),
        UserTurnEndedEvent(pytest.approx(1.0, abs=0.1), pytest.approx(0.5, abs=0.1)),  # type: ignore[arg-type]
        UserTranscriptEvent("what is the weather", final=True),
        AgentTranscriptEvent("It is sunny.", pytest.approx(0.5, abs=0.1)),  # type: ignore[arg-type]
        AgentTranscriptEvent("And warm", pytest.approx(0.5, abs=0.1)),  # type: ignore[arg-type]
        AgentTurnStartedEvent(pytest.approx(0.5, abs=0.1)),  # type: ignore[arg-type]
        AgentTurnEndedEvent("It is sunny. And warm", interrupted=False),
    ]
    assert stage.history() == [("user", "what is the weather"), ("assistant", "It is sunny. And warm")]


def test_what_was_heard_and_said_is_counted() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            await connection.speak(tone(0.4))
            stage.model.say(UserBegan(), UserOver(), UserSaid("hi"), Usage(40, 7))
            await stage.model.play(reply("Hello there."))
            await stage.clock.sleep(5)

    run_virtual(scene())
    figures = stage.agent.metrics.to_dict()
    assert figures["realtime_audio_input_bytes__total"] == len(stage.model.sound)
    assert figures["realtime_audio_input_duration_ms__total"] == 400 + 2000, "two seconds of silence follow"
    assert figures["realtime_audio_output_duration_ms__total"] == 200
    assert figures["realtime_audio_output_bytes__total"] == 6400
    assert figures["realtime_user_transcriptions__total"] == 1
    assert figures["realtime_agent_transcriptions__total"] == 1
    assert (figures["llm_input_tokens__total"], figures["llm_output_tokens__total"]) == (40, 7)
    assert figures["turn_duration_ms__avg"] is not None


def test_who_speaks_silences_the_agent_at_once_and_what_was_heard_is_kept() -> None:
    stage = RealtimeStage()

    async def scene() -> int:
        async with stage.on_call() as connection:
            await stage.model.play(reply(STORY))
            await stage.clock.sleep(0.5)
            stage.model.say(UserBegan())
            sent = len(connection.sent)
            await stage.clock.sleep(1)
            assert len(connection.sent) == sent
            return sent * FRAME_BYTES - connection.unheard_bytes

    heard_bytes = run_virtual(scene())
    assert seconds_of(bytes(heard_bytes)) == pytest.approx(0.5, abs=FRAME_SECONDS)
    assert last_of(stage, AgentTurnEndedEvent) == AgentTurnEndedEvent("This is a story. It", interrupted=True)
    assert stage.agent.conversation.messages == (Message(Role.ASSISTANT, "This is a story. It", interrupted=True),)
    (cut,) = stage.model.offers
    assert isinstance(cut, ReplyCut)
    assert (cut.heard, cut.heard_seconds) == ("This is a story. It", pytest.approx(0.5, abs=FRAME_SECONDS))


def test_sound_that_came_in_the_very_moment_of_an_interruption_is_not_heard() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            await stage.model.play([ReplyWords("Hm. "), 0.1])
            stage.model.say(ReplySound(tone(0.5)), UserBegan())
            await stage.clock.sleep(1)
            assert connection.sent == []

    run_virtual(scene())


def test_what_still_comes_of_a_cut_reply_is_not_heard_and_the_next_one_is() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            await stage.model.play([*spoken_word("Old"), *spoken_word("words."), 0.05])
            stage.model.say(UserBegan())
            sent = len(connection.sent)
            await stage.model.play([*spoken_word("More"), *spoken_word("old."), ReplyDropped()])
            await stage.clock.sleep(0.5)
            assert len(connection.sent) == sent
            stage.model.say(UserOver(), UserSaid("stop"))
            await stage.model.play(reply("All right."))
            await stage.clock.sleep(1)

    run_virtual(scene())
    ended = stage.seen(AgentTurnEndedEvent)
    assert ended[1:] == [AgentTurnEndedEvent("All right.", interrupted=False)]
    assert stage.history()[-2:] == [("user", "stop"), ("assistant", "All right.")]
    assert "More" not in str(stage.seen(AgentTranscriptEvent))


def test_a_reply_that_is_over_for_the_model_is_cut_too() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            await stage.model.play([*reply(STORY), 0.3])
            stage.model.say(UserBegan(), UserOver(), UserSaid("wait"))
            await stage.model.play(reply("Yes?"))
            await stage.clock.sleep(1)

    run_virtual(scene())
    assert [event.interrupted for event in stage.seen(AgentTurnEndedEvent)] == [True, False]  # type: ignore[attr-defined]
    assert stage.history()[-1] == ("assistant", "Yes?")


def test_a_reply_that_the_model_breaks_off_is_silenced() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            await stage.model.play([*spoken_word("Never"), *spoken_word("mind"), 0.1, ReplyDropped()])
            sent = len(connection.sent)
            await stage.clock.sleep(0.5)
            assert len(connection.sent) == sent

    run_virtual(scene())
    assert stage.history() == [("assistant", "Never")]


def test_a_reply_whose_rest_is_lost_is_played_as_far_as_it_came() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            await stage.model.play([*spoken_word("Half"), *spoken_word("of"), ReplyOver(whole=False)])
            await stage.clock.sleep(1)

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent("Half of", interrupted=True)]


def test_replies_one_after_the_other_are_heard_one_after_the_other() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            await stage.model.play([*reply("One two three."), *reply("Four five.")])
            await stage.clock.sleep(1)

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent) == [
        AgentTurnEndedEvent("One two three.", interrupted=False),
        AgentTurnEndedEvent("Four five.", interrupted=False),
    ]


# --- turns that are not spoken --------------------------------------------------------------------------


def test_a_text_is_answered_and_the_caller_waits_for_the_end() -> None:
    stage = RealtimeStage([[0.2, *reply("Hello you.")]])

    async def scene() -> float:
        async with stage.on_call():
            started = stage.clock.boot()
            await stage.agent.simple_response("greet the user")
            return stage.clock.boot() - started

    assert run_virtual(scene()) == pytest.approx(0.4)
    assert stage.model.offers == [TextGiven("greet the user")]
    assert stage.history() == [("user", "greet the user"), ("assistant", "Hello you.")]
    assert stage.seen(UserTranscriptEvent) == []


def test_typed_words_are_in_the_transcript_and_timed() -> None:
    stage = RealtimeStage([[0.2, *reply("Hello you.")]])

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.user_said("hello")

    run_virtual(scene())
    assert stage.seen(UserTranscriptEvent) == [UserTranscriptEvent("hello", final=True)]
    assert last_of(stage, AgentTurnStartedEvent).response_seconds == pytest.approx(0.2)


def test_to_say_something_is_asked_of_the_model_and_is_no_words_of_the_user() -> None:
    stage = RealtimeStage([reply("Welcome!")])

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.say("Welcome!")

    run_virtual(scene())
    (asked,) = stage.model.offers
    assert isinstance(asked, TextGiven)
    assert asked.text.endswith("nothing else: Welcome!")
    assert stage.history() == [("assistant", "Welcome!")]


def test_texts_wait_for_each_other_unless_they_interrupt() -> None:
    stage = RealtimeStage([reply(STORY), reply("Second."), reply("Third.")])

    async def scene() -> None:
        async with stage.on_call():
            first = asyncio.create_task(stage.agent.say("one"))
            await stage.clock.sleep(0.3)
            second = asyncio.create_task(stage.agent.say("two"))
            await stage.clock.sleep(0.3)
            assert len(stage.model.offers) == 1
            await stage.agent.simple_response("three", interrupt=True)
            await asyncio.gather(first, second)

    run_virtual(scene())
    assert answers(stage) == [
        "This is a story. It goes",
        "Second.",
        "Third.",
    ]  # type: ignore[attr-defined]
    assert isinstance(stage.model.offers[1], ReplyCut)


def test_an_unfinished_reply_that_a_text_interrupts_does_not_go_on_as_the_answer() -> None:
    stage = RealtimeStage([[*spoken_word("Old"), 0.3, *spoken_word("old"), ReplyDropped(), *reply("New.")]])

    async def scene() -> None:
        async with stage.on_call():
            asking = asyncio.create_task(stage.agent.simple_response("one"))
            await stage.clock.sleep(0.15)
            await stage.agent.simple_response("two")
            await asking

    run_virtual(scene())
    assert answers(stage) == ["Old", "New."]


def test_a_model_that_does_not_answer_a_text_is_reported_and_the_next_text_is_given() -> None:
    stage = RealtimeStage([[], reply("Here.")])

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("one")
            await stage.agent.simple_response("two")

    run_virtual(scene())
    assert "did not answer within 30 s" in str(last_of(stage, AgentErrorEvent).error)
    assert stage.history()[-1] == ("assistant", "Here.")


def test_a_user_who_speaks_ends_the_wait_for_an_answer() -> None:
    stage = RealtimeStage([[]])

    async def scene() -> None:
        async with stage.on_call():
            asking = asyncio.create_task(stage.agent.simple_response("one"))
            await stage.clock.sleep(1)
            stage.model.say(UserBegan())
            await asking

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent("", interrupted=True)]


# --- functions ------------------------------------------------------------------------------------------


def weather_stage(seconds: float = 0.5) -> tuple[RealtimeStage, list[str]]:
    stage, called = RealtimeStage(), []

    @stage.model.register_function()
    async def get_weather(place: str) -> str:
        called.append(place)
        await stage.clock.sleep(seconds)
        return f"sunny in {place}"

    return stage, called


def wanted(*places: str) -> CallsWanted:
    return CallsWanted(tuple(ToolCall(place, "get_weather", {"place": place}) for place in places))


def results(stage: RealtimeStage) -> list[str]:
    return [offer.result.output for offer in stage.model.offers if isinstance(offer, ResultGiven)]


def test_functions_are_called_side_by_side_while_the_model_listens_and_speaks() -> None:
    stage, called = weather_stage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            stage.model.say(UserBegan(), UserOver(), UserSaid("weather?"), wanted("Boston", "Rome"))
            await connection.speak(tone(0.4))
            assert called == ["Boston", "Rome"]
            assert len(stage.model.sound) > 0
            assert results(stage) == []
            await stage.clock.sleep(0.2)
            assert results(stage) == ["sunny in Boston", "sunny in Rome"]
            await stage.model.play(reply("Sunny in both."))
            await stage.clock.sleep(1)

    run_virtual(scene())
    assert stage.model.openings[0].tools == stage.model.toolbox.tools
    assert [role for role, _ in stage.history()] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert stage.agent.conversation.export()["messages"][2]["text"] == "sunny in Boston"
    assert [(event.name, event.failed) for event in stage.seen(ToolCalledEvent)] == [("get_weather", False)] * 2  # type: ignore[attr-defined]
    assert stage.agent.metrics.to_dict()["llm_tool_calls__total"] == 2
    assert len(stage.seen(AgentTurnEndedEvent)) == 1, "the calls and the answer are one reply"


def test_a_reply_that_only_calls_goes_on_with_the_results() -> None:
    stage, _ = weather_stage()
    stage.model.replies = [[wanted("Rome"), ReplyOver(), 0.6, *reply("Sunny.")]]

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("weather?")

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent("Sunny.", interrupted=False)]


def test_a_call_that_is_not_wanted_any_more_is_stopped_and_its_result_not_given() -> None:
    stage, _ = weather_stage()

    async def scene() -> None:
        async with stage.on_call():
            stage.model.say(wanted("Boston", "Rome"))
            await stage.clock.sleep(0.1)
            stage.model.say(CallsUnwanted(("Boston", "never wanted")))
            await stage.clock.sleep(1)

    run_virtual(scene())
    assert results(stage) == ["sunny in Rome"]
    assert [event.failed for event in stage.seen(ToolCalledEvent)] == [True, False]  # type: ignore[attr-defined]
    assert "may have had an effect" in stage.history()[1][1]


def test_a_reply_whose_calls_are_not_wanted_any_more_is_over() -> None:
    stage, _ = weather_stage()
    stage.model.replies = [[wanted("Rome"), ReplyOver(), 0.1, CallsUnwanted(("Rome",))], reply("Next.")]

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("weather?")
            await stage.agent.simple_response("next?")

    run_virtual(scene())
    assert stage.seen(AgentTurnEndedEvent) == [
        AgentTurnEndedEvent("", interrupted=True),
        AgentTurnEndedEvent("Next.", interrupted=False),
    ]


def test_more_replies_than_can_wait_are_dropped_and_reported() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            for number in range(20):
                stage.model.say(ReplyWords(f"{number}."), ReplySound(tone(0.1)), ReplyOver())
            await stage.clock.sleep(10)

    run_virtual(scene())
    assert {"replies wait" in str(event.error) for event in stage.events if isinstance(event, AgentErrorEvent)} == {
        True
    }
    assert len([text for text in answers(stage) if text]) == 16


def test_a_call_that_runs_is_not_called_again_and_too_many_are_refused() -> None:
    stage, called = weather_stage(20)

    async def scene() -> None:
        async with stage.on_call():
            stage.model.say(wanted("Rome"), wanted("Rome"))
            stage.model.say(wanted(*(str(number) for number in range(64))))
            await stage.clock.sleep(1)
            assert len(called) == 8, "at a time"

    run_virtual(scene())
    assert called.count("Rome") == 1
    assert [output for output in results(stage) if output.startswith("Not called")] != []


def test_a_function_that_speaks_does_not_wait_for_itself() -> None:
    calling = CallsWanted((ToolCall("1", "slow", {}),))
    stage = RealtimeStage([[calling, 0.1, *reply("Done.")], reply("One more thing.")])

    @stage.model.register_function()
    async def slow() -> str:
        await stage.agent.say("One more thing.")
        return "done"

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("do it")
            await stage.clock.sleep(2)

    run_virtual(scene())
    assert results(stage) == ["done"]
    assert answers(stage) == ["Done.", "One more thing."]


def test_a_text_that_interrupts_a_reply_of_calls_alone_is_answered() -> None:
    stage, _ = weather_stage()
    stage.model.replies = [[wanted("Rome")], reply("Never mind then.")]

    async def scene() -> None:
        async with stage.on_call():
            asking = asyncio.create_task(stage.agent.simple_response("weather?"))
            await stage.clock.sleep(0.1)
            await stage.agent.simple_response("forget it")
            await asking

    run_virtual(scene())
    assert last_of(stage, AgentTurnEndedEvent).text == "Never mind then."


# --- trouble and the end --------------------------------------------------------------------------------


def test_trouble_is_reported_counted_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    stage = RealtimeStage([reply("Here.")])

    async def scene() -> None:
        async with stage.on_call():
            stage.model.say(RealtimeTrouble(OSError("line broke")))
            await stage.agent.simple_response("still there?")

    run_virtual(scene())
    assert [(event.part, str(event.error)) for event in stage.seen(AgentErrorEvent)] == [("realtime", "line broke")]  # type: ignore[attr-defined]
    assert stage.model.metrics.errors["realtime"] == 1
    assert "the call goes on" in caplog.text
    assert stage.history()[-1] == ("assistant", "Here.")


def test_an_error_of_the_model_ends_the_call_as_itself() -> None:
    stage = RealtimeStage([[OSError("gone for good")]])

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.simple_response("hello")
            await stage.agent.finish()

    with pytest.raises(OSError, match="gone for good"):
        run_virtual(scene())
    assert (stage.model.closed, stage.edge.closed) == (1, 1)
    assert stage.model.metrics.errors["realtime"] == 1


def test_a_model_that_leaves_ends_the_call() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            stage.model.leaves.set()
            await stage.agent.finish()

    with pytest.raises(RuntimeError, match="returned in the middle of a call"):
        run_virtual(scene())


def test_a_model_that_cannot_be_had_keeps_the_agent_from_the_call() -> None:
    stage = RealtimeStage()
    stage.model.refusal = OSError("refused")

    async def scene() -> None:
        async with stage.on_call():
            pass

    with pytest.raises(OSError, match="refused"):
        run_virtual(scene())
    assert stage.edge.connection is None
    assert stage.model.closed == 1


@pytest.mark.parametrize("tenths", range(0, 16, 1))
def test_closing_at_any_moment_leaves_nothing(tenths: int) -> None:
    stage, _ = weather_stage(0.3)
    stage.model.replies = [[0.2, wanted("Rome"), 0.4, *reply("It is sunny in Rome.")], reply("Second.")]

    async def scene() -> None:
        before = asyncio.all_tasks()
        async with stage.on_call() as connection:
            speaking = asyncio.create_task(connection.speak(tone(1.0)))
            turns = [asyncio.create_task(stage.agent.say(text)) for text in ("one", "two")]
            await stage.clock.sleep(tenths / 10 + 0.01)
            await stage.agent.close()
            await asyncio.gather(*turns, speaking)
        assert asyncio.all_tasks() == before

    run_virtual(scene())
    assert stage.model.closed == 1
    assert len(stage.seen(AgentTurnEndedEvent)) <= 2
    exported = stage.agent.conversation.export()
    Agent(edge=stage.edge, llm=Realtime(stage.clock), agent_user=User(id="a")).conversation.restore(exported)


def test_the_end_of_the_call_cuts_the_reply_and_keeps_what_was_heard() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            await stage.model.play([*reply(STORY), 0.5])
            connection.hang_up()
            await stage.agent.finish()

    run_virtual(scene())
    assert last_of(stage, AgentTurnEndedEvent).interrupted
    assert stage.history() == [("assistant", "This is a story. It")]


def test_a_reply_without_end_is_bounded() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            minute = tone(60)
            stage.model.say(*([ReplySound(minute)] * 8), ReplyOver())
            assert "dropped" in str(last_of_reported(stage))
            await stage.clock.sleep(600)
            assert seconds_of(b"".join(frame for _, frame in connection.sent)) == pytest.approx(360)

    run_virtual(scene(), limit_seconds=1000)
    assert MAX_WAITING_SECONDS == 300
    assert last_of(stage, AgentTurnEndedEvent).interrupted


def last_of_reported(stage: RealtimeStage) -> Sequence[Exception]:
    return [event.error for event in stage.agent._events._waiting if isinstance(event, AgentErrorEvent)]


# --- pictures, and what fits together ---------------------------------------------------------------------


class Black:
    def rgb(self, width: int, height: int) -> bytes:
        return bytes(3 * width * height)


def test_a_model_that_looks_gets_the_newest_picture_at_its_pace() -> None:
    stage = RealtimeStage(fps=1.0)

    async def scene() -> None:
        async with stage.on_call() as connection:
            assert connection.sink.wants_video
            for number in range(30):
                frame = VideoFrame(number + 1, 1, stage.clock.boot(), Black())
                connection.sink.video_received(CALLER, frame)
                await stage.clock.sleep(0.1)

    run_virtual(scene())
    widths = [offer.frame.width for offer in stage.model.offers if isinstance(offer, PictureGiven)]
    assert widths == [1, 10, 20, 30]


def test_nobody_asks_for_video_that_the_model_does_not_look_at() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call() as connection:
            assert not connection.sink.wants_video

    run_virtual(scene())


@pytest.mark.parametrize("more", [{"tts": Tts(VirtualClock())}, {"vad": Vad()}])
def test_ears_and_voice_besides_are_an_error_that_says_so(more: dict[str, Any]) -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match=r"llm=Realtime hears and speaks itself: leave out (tts|vad)"):
        Agent(edge=Edge(clock), llm=Realtime(clock), agent_user=User(id="a"), **more)


def test_words_without_a_user_turn_open_one() -> None:
    stage = RealtimeStage()

    async def scene() -> None:
        async with stage.on_call():
            stage.model.say(UserSoFar("hel"), UserSoFar("hello"), UserSaid("hello"))
            stage.model.say(ReplyWords("Hi."), ReplyOver())
            await stage.clock.sleep(1)

    run_virtual(scene())
    kinds = [type(event) for event in stage.seen() if isinstance(event, UserTurnStartedEvent | UserTurnEndedEvent)]
    assert kinds == [UserTurnStartedEvent, UserTurnEndedEvent]
