"""A live session of Gemini without a connection: its messages, what it is opened with, its errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close

from greenroom.agent.conversation import Message, Role, ToolCall
from greenroom.agent.interfaces import Usage
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    Opening,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    UserBegan,
    UserOver,
    UserSaid,
    UserSoFar,
)
from greenroom.plugins import gemini
from greenroom.plugins.gemini.live_errors import Unreadable, live_error
from greenroom.plugins.gemini.live_setup import Wishes, further, history, session_config
from greenroom.plugins.gemini.live_turns import LiveTurns
from greenroom.plugins.vendor import Key, MissingKeyError, VendorError

types = pytest.importorskip("google.genai.types")
errors = pytest.importorskip("google.genai.errors")

KEY = Key("secret-key-123")
SOUND = b"\x00\x10" * 2400


def message(**fields: Any) -> Any:
    return types.LiveServerMessage.model_validate(fields)


def content(**fields: Any) -> Any:
    return message(server_content=fields)


def heard(text: str) -> Any:
    return content(input_transcription={"text": text})


def words(text: str) -> Any:
    return content(output_transcription={"text": text})


def sound() -> Any:
    blob = {"inline_data": {"mime_type": "audio/pcm;rate=24000", "data": SOUND}}
    return content(model_turn={"role": "model", "parts": [blob]})


def call(name: str, call_id: str) -> Any:
    return message(tool_call={"function_calls": [{"id": call_id, "name": name, "args": {"x": 1}}]})


GENERATED = content(generation_complete=True)
COMPLETE = content(turn_complete=True)
INTERRUPTED = content(interrupted=True)


def told(turns: LiveTurns, *messages: Any) -> list[Any]:
    """What these messages say; sound by its name alone."""
    said = [value for one in messages for value in turns.read(one)]
    return [ReplySound if isinstance(value, ReplySound) else value for value in said]


def test_a_turn_and_its_reply() -> None:
    turns = LiveTurns()
    said = told(turns, heard("What is"), heard(" the time?"), words("It is"), sound(), words(" noon."), GENERATED)
    assert said == [
        UserBegan(),
        UserSoFar("What is"),
        UserSoFar("What is the time?"),
        UserOver(),
        ReplyWords("It is"),
        ReplySound,
        ReplyWords(" noon."),
        UserSaid("What is the time?"),
        ReplySound,
        ReplyOver(),
    ]
    assert not turns.quiet, "Gemini takes it for heard only when the turn is complete"
    assert told(turns, COMPLETE) == []
    assert turns.quiet


def test_words_of_the_user_that_come_late_are_not_taken_for_an_interruption() -> None:
    turns = LiveTurns()
    said = told(turns, heard("What is"), sound(), heard(" the time?"), GENERATED)
    assert said.count(UserBegan()) == 1
    assert UserSaid("What is the time?") in said


def test_an_interruption_drops_the_reply_and_opens_a_turn() -> None:
    turns = LiveTurns()
    told(turns, heard("Tell me a story."), sound())
    assert told(turns, INTERRUPTED, COMPLETE) == [UserSaid("Tell me a story."), UserBegan(), ReplyDropped()]
    assert told(turns, heard("Stop"), sound(), GENERATED) == [
        UserSoFar("Stop"),
        UserOver(),
        ReplySound,
        UserSaid("Stop"),
        ReplySound,
        ReplyOver(),
    ]


def test_an_interruption_of_what_only_plays_on_opens_a_turn() -> None:
    turns = LiveTurns()
    told(turns, sound(), GENERATED)
    assert told(turns, heard("Stop"), INTERRUPTED) == [UserBegan()]
    assert told(turns, COMPLETE, sound())[0] == UserOver()


def test_words_after_the_models_turn_open_one() -> None:
    turns = LiveTurns()
    told(turns, sound(), GENERATED, COMPLETE)
    assert told(turns, heard("And now?")) == [UserBegan(), UserSoFar("And now?")]


def test_words_that_the_model_spoke_over_open_a_turn_afterwards() -> None:
    turns = LiveTurns()
    told(turns, sound(), GENERATED)
    assert told(turns, heard("Oh."), COMPLETE) == [UserBegan(), UserSoFar("Oh.")]


def test_speech_that_the_model_does_not_answer_is_still_said() -> None:
    turns = LiveTurns()
    said = told(turns, heard("I talk to my dog."), COMPLETE)
    assert said[-2:] == [UserOver(), UserSaid("I talk to my dog.")]
    assert turns.quiet


def test_a_text_interrupts_without_a_user_who_speaks() -> None:
    turns = LiveTurns()
    told(turns, sound())
    turns.asked = True
    assert told(turns, INTERRUPTED, COMPLETE) == [ReplyDropped()]
    assert turns.asked
    assert told(turns, sound(), GENERATED) == [ReplySound, ReplySound, ReplyOver()]
    assert not turns.asked


def test_a_text_that_the_model_says_nothing_to_has_an_empty_reply() -> None:
    turns = LiveTurns()
    turns.asked = True
    assert told(turns, COMPLETE) == [ReplyWords(""), ReplyOver()]
    assert turns.quiet


def test_calls_end_the_users_turn_and_are_waited_for() -> None:
    turns = LiveTurns()
    said = told(turns, heard("Weather?"), call("get_weather", "1"))
    assert said[-3:] == [UserOver(), UserSaid("Weather?"), CallsWanted((ToolCall("1", "get_weather", {"x": 1}),))]
    assert turns.calls == {"1"}
    turns.answered("1")
    assert not turns.calls
    told(turns, call("a", "2"), call("b", "3"))
    assert told(turns, message(tool_call_cancellation={"ids": ["2"]})) == [CallsUnwanted(("2",))]
    assert turns.calls == {"3"}


def test_results_are_waited_for_all_and_then_it_is_geminis_turn() -> None:
    turns = LiveTurns()
    told(turns, call("a", "1"), call("b", "2"))
    turns.answered("1")
    assert not turns.due
    turns.answered("2")
    assert turns.due
    assert told(turns, sound())[-1] is ReplySound
    assert not turns.due


def test_results_that_gemini_says_nothing_to_end_the_reply() -> None:
    turns = LiveTurns()
    told(turns, call("a", "1"))
    turns.answered("1")
    assert told(turns, content(turn_complete=True, interaction_status="IN_PROGRESS"))[-1:] == [ReplyOver()]
    assert turns.due, "the turn of the calls is over, not what follows from them"
    assert told(turns, COMPLETE) == [ReplyOver()]
    assert turns.quiet


def test_several_things_in_one_message_come_in_order() -> None:
    blob = {"inline_data": {"mime_type": "audio/pcm;rate=24000", "data": SOUND}}
    both = content(
        model_turn={"role": "model", "parts": [blob, blob]},
        output_transcription={"text": "Hi."},
        generation_complete=True,
        turn_complete=True,
    )
    said = told(LiveTurns(), both)
    assert said == [ReplyWords("Hi."), ReplySound, ReplySound, ReplySound, ReplyOver()]


def test_thoughts_and_text_are_not_spoken() -> None:
    assert told(LiveTurns(), content(model_turn={"parts": [{"text": "I think", "thought": True}]})) == []


def test_sound_is_made_the_agents_as_it_comes() -> None:
    turns = LiveTurns()
    values = [value for one in (*[sound()] * 10, GENERATED) for value in turns.read(one)]
    pcm = b"".join(value.pcm for value in values if isinstance(value, ReplySound))
    assert len(pcm) == pytest.approx(10 * len(SOUND) * 2 / 3, abs=64)


def test_a_cut_ends_what_was_open() -> None:
    turns = LiveTurns()
    told(turns, heard("Hello"), sound())
    assert turns.cut() == ([UserSaid("Hello"), ReplyOver(whole=False)], "")
    asked = LiveTurns()
    told(asked, heard("Hello"))
    assert asked.cut() == ([UserOver(), UserSaid("Hello")], "Hello")
    assert LiveTurns().cut() == ([], "")


def test_the_reply_to_a_history_is_not_passed_on() -> None:
    turns = LiveTurns(deaf=True)
    assert told(turns, words("Where were we"), sound(), GENERATED, COMPLETE) == []
    assert ReplySound in told(turns, heard("Hi"), sound())
    interrupted = LiveTurns(deaf=True)
    interrupted.asked = True
    assert told(interrupted, sound(), INTERRUPTED, COMPLETE) == []
    assert ReplySound in told(interrupted, sound())


def test_tokens_handles_and_the_end_of_the_connection_are_noted() -> None:
    turns = LiveTurns()
    used = {"prompt_token_count": 12, "response_token_count": 3, "thoughts_token_count": 2}
    assert told(turns, message(usage_metadata=used)) == [Usage(12, 5)]
    told(turns, message(session_resumption_update={"new_handle": "h-1", "resumable": True}))
    told(turns, message(session_resumption_update={"new_handle": "", "resumable": False}))
    assert turns.handle == "h-1"
    told(turns, message(go_away={"time_left": "9.5s"}))
    assert turns.leave_seconds == 9.5
    told(turns, message(go_away={"time_left": "soon"}))
    assert turns.leave_seconds == 0


# --- set-up -----------------------------------------------------------------------------------------------

WISHES = Wishes("gemini-3.8-live", None, None, None, None)
OLD = Wishes("gemini-2.5-flash-native-audio-preview-12-2025", "Puck", "de-DE", 0.5, 300)


def test_what_is_not_wished_is_left_to_gemini() -> None:
    config = session_config(WISHES, Opening("", (), ()), None, history=False)
    assert config == {
        "responseModalities": ["AUDIO"],
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}},
    }


def test_what_is_wished_is_as_the_sdk_takes_it() -> None:
    config = session_config(OLD, Opening("Be brief.", (), ()), "h-1", history=True)
    checked = types.LiveConnectConfig.model_validate(config)
    assert checked.speech_config.voice_config.prebuilt_voice_config.voice_name == "Puck"
    assert checked.speech_config.language_code == "de-DE"
    assert checked.temperature == 0.5
    assert checked.realtime_input_config.automatic_activity_detection.silence_duration_ms == 300
    assert checked.session_resumption.handle == "h-1"
    assert checked.history_config.initial_history_in_client_content
    assert checked.system_instruction == "Be brief."


def test_all_else_may_be_given_as_the_sdk_has_it() -> None:
    as_object = types.LiveConnectConfig(seed=7, thinking_config={"thinking_budget": 0}, temperature=0.1)
    for given in (as_object, {"seed": 7, "thinking_config": {"thinking_budget": 0}, "temperature": 0.1}):
        wishes = Wishes("gemini-3.8-live", None, None, 0.9, None, further(given))
        checked = types.LiveConnectConfig.model_validate(session_config(wishes, Opening("", (), ()), None, False))
        assert (checked.seed, checked.temperature) == (7, 0.9)
        assert checked.thinking_config.thinking_budget == 0


def test_a_history_is_what_was_said() -> None:
    messages = (
        Message(Role.USER, "Weather?"),
        Message(Role.ASSISTANT, "", tool_calls=(ToolCall("1", "get_weather", {}),)),
        Message(Role.TOOL, "sunny", tool_call_id="1"),
        Message(Role.ASSISTANT, "Sunny."),
    )
    told = [{"role": "user", "parts": [{"text": "Weather?"}]}, {"role": "model", "parts": [{"text": "Sunny."}]}]
    assert history(messages, WISHES) == told
    assert history(messages, OLD) == [*told, {"role": "user", "parts": [{"text": " "}]}]
    assert history((), OLD) == []


# --- errors -----------------------------------------------------------------------------------------------


def closed(code: int, reason: str) -> Exception:
    return errors.APIError(code, reason, None)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "opening", "retryable", "says"),
    [
        (
            closed(1007, "API key not valid. Please pass a valid API key."),
            True,
            False,
            "refused the API key.*check GOO",
        ),
        (closed(1008, "Your API key was reported as leaked."), False, False, "refused the API key"),
        (closed(1008, "models/x is not found"), True, False, "refused the session .close code 1008.: models/x"),
        (closed(1008, "Requested entity was not found."), False, True, "closed the connection .close code 1008"),
        (closed(1011, "You exceeded your current quota"), True, True, "is at its limit: You exceeded"),
        (closed(1011, "Internal error occurred."), False, True, "closed the connection"),
        (closed(1006, "Abnormal closure."), False, True, "closed the connection"),
        (errors.APIError(429, {"error": {"message": "slow"}}), False, True, "at its limit .HTTP 429.: slow"),
        (
            ConnectionClosedError(Close(1007, "API key secret-key-123 not valid"), None),
            True,
            False,
            "API key .key. not",
        ),
        (ConnectionClosedError(None, None), False, True, "cannot be reached or hung up"),
        (OSError("no route"), True, True, "cannot be reached"),
        (ValueError("Failed to parse response: b'{'"), False, True, "cannot be read"),
        (errors.APIError(None, {"unheard": 1}, None), False, True, "cannot be read"),
    ],
)
def test_errors(error: Exception, opening: bool, retryable: bool, says: str) -> None:
    failure = live_error(error, KEY, opening=opening)
    assert isinstance(failure, VendorError)
    assert failure.retryable is retryable
    with pytest.raises(VendorError, match=says):
        raise failure
    assert "secret-key" not in str(failure)


def test_an_http_answer_in_place_of_a_websocket() -> None:
    response: Any = SimpleNamespace(status_code=403, body=b"who is secret-key-123?")
    failure = live_error(InvalidStatus(response), KEY, opening=True)
    assert failure is not None
    assert str(failure).startswith("Gemini refused the API key (HTTP 403): who is [key]?; check GOOGLE_API_KEY")


def test_one_message_is_lost_or_an_error_is_ours() -> None:
    assert isinstance(live_error(ValueError("x"), KEY, opening=False), Unreadable)
    assert live_error(ZeroDivisionError(), KEY, opening=False) is None


def test_what_gemini_would_refuse_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at most one picture a second"):
        gemini.Realtime(api_key="k", fps=2)
    for config in ({"tools": []}, types.LiveConnectConfig(system_instruction="x"), {"system_instruction": "x"}):
        with pytest.raises(ValueError, match=r"gemini\.Realtime takes no (tools|systemInstruction) in config"):
            gemini.Realtime(api_key="k", config=config)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with pytest.raises(
        MissingKeyError, match=r"gemini\.Realtime has no API key: set the environment variable GOOGLE_API"
    ):
        gemini.Realtime()
