"""Turns by silence, sentences as they come, and who is there: pure, so tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.agent.interfaces import TurnEnded, TurnStarted
from greenroom.agent.participants import Participant
from greenroom.agent.presence import Presence
from greenroom.agent.sentences import SentenceSplitter
from greenroom.agent.turns import SilenceTurnDetection

STEP = 0.032


def heard(probabilities: list[float]) -> list[TurnStarted | TurnEnded]:
    detection = SilenceTurnDetection()
    return [signal for p in probabilities if (signal := detection.hear(p, STEP)) is not None]


def test_speech_then_300_ms_of_silence_is_a_turn() -> None:
    started, ended = heard([0.0] * 5 + [0.9] * 10 + [0.1] * 12)
    assert isinstance(started, TurnStarted)
    assert isinstance(ended, TurnEnded)
    assert ended.speech_seconds == pytest.approx(10 * STEP)
    assert 0.3 <= ended.silence_seconds < 0.3 + STEP


def test_a_click_is_no_turn_and_a_breath_does_not_end_one() -> None:
    assert heard([0.9, 0.0] * 20) == []
    assert len(heard([0.9] * 5 + [0.0] * 8 + [0.9] * 5 + [0.0] * 10)) == 2
    assert len(heard([0.9] * 5 + [0.4] * 30)) == 1


@given(st.lists(st.floats(0, 1), max_size=300))
def test_starts_and_ends_alternate(probabilities: list[float]) -> None:
    signals = heard(probabilities)
    assert [type(signal) for signal in signals] == [TurnStarted, TurnEnded] * (len(signals) // 2) + [TurnStarted] * (
        len(signals) % 2
    )


@pytest.mark.parametrize(
    ("pieces", "sentences"),
    [
        (["It is ", "sunny.", " And warm"], ["It is sunny.", "And warm"]),
        (["It costs 3.", "50 dollars."], ["It costs 3.50 dollars."]),
        (["Dr. ", "Who? ", "Yes!"], ["Dr. Who?", "Yes!"]),
        (["One. Two. Three"], ["One.", "Two.", "Three"]),
        (["", " ", ""], []),
    ],
)
def test_sentences_come_out_as_soon_as_they_are_whole(pieces: list[str], sentences: list[str]) -> None:
    splitter = SentenceSplitter()
    out = [sentence for piece in pieces for sentence in splitter.push(piece)]
    assert [*out, *filter(None, [splitter.rest()])] == sentences


def test_the_last_full_stop_is_not_waited_for() -> None:
    assert SentenceSplitter().push("It is sunny.") == ["It is sunny."]


@given(st.text(alphabet="ab .!?1\n", max_size=1200), st.integers(1, 20))
def test_no_word_is_lost_however_the_text_is_cut(text: str, size: int) -> None:
    splitter = SentenceSplitter()
    out = [s for start in range(0, len(text), size) for s in splitter.push(text[start : start + size])]
    assert "".join("".join([*out, splitter.rest()]).split()) == "".join(text.split())


def test_presence_counts_from_the_join_and_from_the_last_leaving() -> None:
    presence = Presence()
    ann, bob = Participant("ann"), Participant("bob")
    assert (presence.idle_for(5), presence.on_call_for(5)) == (0, 0)
    presence.agent_joined(10)
    assert (presence.idle_for(13), presence.on_call_for(13)) == (3, 3)
    presence.entered(ann)
    presence.entered(bob)
    assert (presence.idle_for(20), presence.on_call_for(20)) == (0, 10)
    assert presence.voices == 2
    presence.left(ann, 21)
    assert presence.idle_for(25) == 0
    assert presence.voices == 1
    presence.left(bob, 30)
    presence.left(bob, 33)
    assert presence.idle_for(35) == 5
    presence.agent_left()
    assert (presence.idle_for(40), presence.on_call_for(40)) == (0, 0)


def test_somebody_who_left_before_the_join_was_complete_does_not_count() -> None:
    presence = Presence()
    presence.entered(Participant("ann"))
    presence.left(Participant("ann"), 3)
    presence.agent_joined(10)
    assert presence.idle_for(12) == 2
