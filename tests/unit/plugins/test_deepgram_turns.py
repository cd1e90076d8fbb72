"""Deepgram's messages into turns: what comes late, twice, in parts or not at all does no harm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from greenroom.agent.turn_taking import (
    Heard,
    SpeechBegan,
    SpeechOver,
    SpeechProbablyOver,
    SpeechSoFar,
    SpeechWentOn,
)
from greenroom.plugins import deepgram
from greenroom.plugins.deepgram.classic import ClassicTurns
from greenroom.plugins.deepgram.flux import FluxTurns
from greenroom.plugins.deepgram.options import Options, addresses
from greenroom.plugins.deepgram.words import SentSound
from greenroom.plugins.vendor import VendorError

NOW = 100.0


def sent(seconds: float = 4.0) -> SentSound:
    """Sound that went out in real time until now."""
    sound = SentSound()
    for number in range(int(seconds * 10)):
        sound.add(0.1, NOW - seconds + 0.1 * (number + 1))
    return sound


def info(event: str, text: str = "", index: int = 0, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(type="TurnInfo", event=event, transcript=text, turn_index=index, **more)


def word(start: float | None = None, end: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(word="w", start=start, end=end)


def flux(*messages: Any) -> list[Heard]:
    turns = FluxTurns()
    return [heard for message in messages for heard in turns.read(message, sent(), NOW)]


def test_flux_in_order() -> None:
    assert flux(
        SimpleNamespace(type="Connected"),
        info("StartOfTurn", "what"),
        info("Update", "what is"),
        info("Update", "what is"),
        info("EagerEndOfTurn", "what is it"),
        info("TurnResumed", "what is it now"),
        info("EndOfTurn", "what is it now?", words=[word(1.0, 1.2), word(1.3, 2.5)], audio_window_end=3.0),
        info("StartOfTurn", "and", index=1),
    ) == [
        SpeechBegan(),
        SpeechSoFar("what"),
        SpeechSoFar("what is"),
        SpeechProbablyOver("what is it"),
        SpeechWentOn(),
        SpeechSoFar("what is it now"),
        SpeechOver("what is it now?", 1.5, 0.5, pytest.approx(1.0)),
        SpeechBegan(),
        SpeechSoFar("and"),
    ]


def test_flux_late_and_twice() -> None:
    ended = [SpeechBegan(), SpeechOver("yes", 0.0, 0.0, pytest.approx(0.0))]
    assert flux(info("StartOfTurn"), info("EndOfTurn", "yes"), info("EndOfTurn", "yes"), info("Update", "y")) == ended
    assert flux(info("StartOfTurn"), info("StartOfTurn")) == [SpeechBegan()]
    assert flux(info("Update", "noise before a turn")) == []
    assert flux(info("SomethingNew", "x")) == []


def test_flux_end_without_a_beginning_is_an_end() -> None:
    assert [type(heard) for heard in flux(info("EndOfTurn", "yes"))] == [SpeechOver]


@pytest.mark.parametrize("turns", [FluxTurns(), ClassicTurns()])
def test_an_error_is_one(turns: FluxTurns | ClassicTurns) -> None:
    message = SimpleNamespace(type="Error", code="INTERNAL_SERVER_ERROR", description="sorry", message="sorry")
    with pytest.raises(VendorError, match=r"Deepgram gave up: .*sorry") as caught:
        turns.read(message, sent(), NOW)
    assert caught.value.retryable


@pytest.mark.parametrize("message", [SimpleNamespace(type="TurnInfo"), info("EndOfTurn", None, 0), info("x", "", "0")])  # type: ignore[arg-type]
def test_flux_without_its_parts_is_unreadable(message: Any) -> None:
    with pytest.raises(ValueError, match="without turn_index or transcript"):
        FluxTurns().read(message, sent(), NOW)


@pytest.mark.parametrize("message", [None, b"\x00", {}, [], SimpleNamespace(), SimpleNamespace(type="Metadata")])
def test_what_is_no_turn_is_passed_over(message: Any) -> None:
    assert FluxTurns().read(message, sent(), NOW) == []
    assert ClassicTurns().read(message, sent(), NOW) == []


def test_a_broken_connection_ends_what_is_open() -> None:
    turns = FluxTurns()
    assert turns.cut() is None
    turns.read(info("StartOfTurn", "what is"), sent(), NOW)
    assert turns.open
    assert turns.cut() == SpeechOver("what is")
    assert turns.cut() is None


def result(text: str, *, final: bool = False, over: bool = False, start: float = 0.0, **more: Any) -> SimpleNamespace:
    alternative = SimpleNamespace(transcript=text, words=more.pop("words", []))
    return SimpleNamespace(
        type="Results",
        start=start,
        duration=1.0,
        is_final=final,
        speech_final=over,
        channel=SimpleNamespace(alternatives=[alternative]),
        **more,
    )


def classic(*messages: Any) -> list[Heard]:
    turns = ClassicTurns()
    return [heard for message in messages for heard in turns.read(message, sent(), NOW)]


END = SimpleNamespace(type="UtteranceEnd")


def test_classic_in_order() -> None:
    assert classic(
        SimpleNamespace(type="SpeechStarted"),
        result(""),
        result("what"),
        result("what is", final=True, words=[word(0.2, 0.5), word(0.5, 0.9)]),
        result("it", start=1.0),
        result("it now?", final=True, over=True, start=2.0, words=[word(2.0, 2.2), word(2.2, 2.6)]),
        END,
        result(""),
    ) == [
        SpeechBegan(),
        SpeechSoFar("what"),
        SpeechSoFar("what is"),
        SpeechSoFar("what is it"),
        SpeechSoFar("what is it now?"),
        SpeechOver("what is it now?", pytest.approx(2.4), pytest.approx(0.4), pytest.approx(1.0)),
    ]


def test_classic_ends_by_the_last_word_where_noise_hides_the_silence() -> None:
    heard = classic(result("yes", final=True), END, END)
    assert [type(item) for item in heard] == [SpeechBegan, SpeechSoFar, SpeechOver]


def test_classic_ends_with_an_empty_last_result() -> None:
    heard = classic(result("yes", final=True), result("", final=True, over=True, start=1.0))
    assert isinstance(heard[-1], SpeechOver)
    assert heard[-1].text == "yes"


def test_classic_silence_is_no_turn() -> None:
    assert classic(result("", final=True, over=True), END) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "nova-3", "eager_turn_detection": True}, "eager_turn_detection needs a Flux model"),
        ({"eot_threshold": 0.2}, r"eot_threshold=0\.2: Deepgram takes 0\.5 to 1\.0"),
        ({"eager_eot_threshold": 0.1}, r"eager_eot_threshold=0\.1: Deepgram takes 0\.3 to 0\.9"),
        ({"eager_eot_threshold": 0.8}, "may not be over eot_threshold"),
        ({"eot_timeout_ms": 100}, "eot_timeout_ms=100: Deepgram takes 500 to 60000"),
        ({"language": "de"}, "others than English need 'flux-general-multi'"),
        ({"endpointing_ms": 200}, "endpointing_ms is for other models"),
        ({"model": "nova-3", "eot_timeout_ms": 600}, "eot_timeout_ms is for Flux models"),
        ({"model": "nova-3", "language": ["en", "de"]}, "it takes one, or 'multi'"),
        ({"model": "nova-2", "keyterms": ["Greenroom"]}, "keyterms need a Flux model or Nova-3"),
        ({"base_url": "api.deepgram.com"}, "base_url='api.deepgram.com': it takes an address"),
    ],
)
def test_what_deepgram_would_refuse_is_refused_before(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deepgram.STT(api_key="k", **settings)


def test_an_eager_threshold_is_never_over_the_real_one() -> None:
    assert deepgram.STT(api_key="k", eager_turn_detection=True)._options.parameters()["eager_eot_threshold"] == "0.5"
    both = deepgram.STT(api_key="k", eager_turn_detection=True, eot_threshold=0.5)._options.parameters()
    assert (both["eager_eot_threshold"], both["eot_threshold"]) == ("0.5", "0.5")


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"language": "en"}, {}),
        ({"model": "flux-general-multi", "language": "de"}, {"language_hint": ["de"]}),
        ({"model": "flux-general-multi", "language": ("de", "en")}, {"language_hint": ["de", "en"]}),
        ({"keyterms": ["Greenroom", "slot"]}, {"keyterm": ["Greenroom", "slot"]}),
    ],
)
def test_languages_and_words_to_listen_for(settings: dict[str, Any], asked: dict[str, Any]) -> None:
    parameters = deepgram.STT(api_key="k", **settings)._options.parameters()
    assert {name: parameters.get(name) for name in ("language_hint", "keyterm") if name in parameters} == asked


def test_its_arguments_stand_in_the_order_that_agent_files_know() -> None:
    ears = deepgram.STT("k", "flux-general-multi", "de", True, 0.8, 0.6)
    assert ears._options == Options("flux-general-multi", ("de",), True, 0.8, 0.6)
    assert "k" not in repr(ears)


@pytest.mark.parametrize("given", ["http://h:1/x/", "ws://h:1/x"])
def test_an_address_of_either_scheme_serves_both(given: str) -> None:
    assert addresses(given) == ("http://h:1/x", "ws://h:1/x")
    assert addresses("wss://h") == ("https://h", "wss://h")


def test_the_age_of_sound() -> None:
    sound = sent(4.0)
    assert sound.seconds == pytest.approx(4.0)
    assert sound.age_seconds(3.0, NOW) == pytest.approx(1.0)
    assert sound.age_seconds(3.95, NOW + 0.2) == pytest.approx(0.2)
    assert sound.age_seconds(9.0, NOW) == 0.0
