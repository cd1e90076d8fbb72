"""docs/voice.md names what there is: figures, events, files, words of the log, and the limits as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from greenroom.agent import (
    conversation,
    events,
    floor,
    hearing,
    intake,
    interruption,
    playout,
    speaking,
    subscriptions,
    thinking,
    tools,
    turns,
    voice,
)
from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from greenroom.observability import process
from greenroom.observability.metrics import FIELD_NAMES
from greenroom.plugins.local import vad

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "voice.md").read_text()
AGENT = ROOT / "agent_runtime" / "greenroom"
SECOND = SAMPLE_RATE * BYTES_PER_SAMPLE
SETTINGS = turns.SilenceSettings()

LIMITS = [
    ("quiet for {:g} s", floor.HANDOVER_SECONDS),
    ("{} loud frames in a row", floor.LOUD_FRAMES),
    ("(peak {} of", floor.LOUD_PEAK),
    ("heard from {:g} s before", floor.PRE_ROLL_SECONDS),
    ("{:g} s of sound at most; the oldest", intake.CAPACITY_BYTES / SECOND),
    ("each {:g} ms get a probability", vad.VAD.chunk_bytes * 1000 / SECOND),
    ("{:g} s at", SETTINGS.min_speech_seconds),
    ("at {:g} or more", SETTINGS.start_probability),
    ("under {:g} end it", SETTINGS.end_probability),
    ("{:g} s under", SETTINGS.silence_seconds),
    ("the {:g} s before\n", hearing.PRE_ROLL_SECONDS),
    ("silent after {:g} s", hearing.GAP_SECONDS),
    ("turn of over {:g} s", hearing.MAX_TURN_SECONDS),
    ("side by side, {} at a time", tools.PARALLEL_CALLS),
    ("for {:g} s each", tools.CALL_LIMIT_SECONDS),
    ("up to {}\n   requests", thinking.MAX_REQUESTS),
    ("{} sentences wait at most", speaking.WAITING_SENTENCES),
    ("| {} | the model waits", speaking.WAITING_SENTENCES),
    ("{:g} s of sound wait at most, then the voice", playout.CAPACITY_BYTES / SECOND),
    ("{:g} ms ahead of what is", playout.LEAD_SECONDS * 1000),
    ("none within {:g} s after", interruption.WORDS_WITHIN_SECONDS),
    ("turns for the ears | {}", hearing.WAITING_TURNS),
    ("turns for an answer | {}", voice.WAITING_TURNS),
    ("events for subscribers | {:,}", subscriptions.CAPACITY),
    ("| {} messages", conversation.MAX_MESSAGES),
    ("below a peak of {} voice", vad.QUIET_PEAK),
]


@pytest.mark.parametrize(("words", "value"), LIMITS)
def test_its_limits_are_those_of_the_code(words: str, value: float) -> None:
    assert words.format(value) in PAGE


def test_its_figures_are_there() -> None:
    counted = {f"{family.name}_total" for metric in process.ALL for family in metric.collect()}
    counted = {name for name in counted if name.startswith("greenroom_agent_")}  # those of a turn
    assert counted
    named = set(re.findall(r"`(greenroom_agent_\w+_total)", PAGE))
    assert named == counted
    averages = set(re.findall(r"`((?:stt|tts|llm|turn)_\w+_ms)`", PAGE))
    assert averages
    assert {f"{name}__avg" for name in averages} <= set(FIELD_NAMES)


def test_its_events_and_files_are_there() -> None:
    for name in re.findall(r"`(\w+Event)\b", PAGE):
        assert hasattr(events, name), name
    for name in re.findall(r"`(\w+\.py)`", PAGE):
        assert (AGENT / "agent" / name).exists(), name


@pytest.mark.parametrize(
    "words",
    [
        "end of speech to first sound: ",
        "a turn of the user was dropped: the recogniser is",
        "events behind: from now on the oldest are dropped",
        "failed, the call goes on: ",
        "is asked again",
        "no connection, dialling again",
        "transcript user: ",
        "transcript agent: ",
        " (interrupted)",
        "the user made a sound without words: the agent goes on",
    ],
)
def test_what_it_looks_for_in_the_log_is_logged(words: str) -> None:
    assert any(words in path.read_text() for path in AGENT.rglob("*.py")), words
