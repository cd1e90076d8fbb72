"""Lines as they come in, and lines as they are shown."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING

import pytest

from greenroom.agent.events import (
    AgentErrorEvent,
    AgentTranscriptEvent,
    AgentTurnEndedEvent,
    AgentTurnStartedEvent,
    ToolCalledEvent,
    UserTranscriptEvent,
)
from greenroom.console.lines import Lines
from greenroom.console.screen import Beside, Screen
from greenroom.console.transcript import Transcript

if TYPE_CHECKING:
    from pathlib import Path


async def test_lines_come_as_they_are_complete_the_last_one_at_the_end() -> None:
    reading, writing = os.pipe()
    lines = Lines(reading).read()
    try:
        os.write(writing, b"what is\nthe wea")
        assert await anext(lines) == "what is"
        following = asyncio.ensure_future(anext(lines))
        os.write(writing, b"ther\r\n\n  \nin Z")
        assert await following == "the weather"
        os.write(writing, "ürich".encode()[:3])
        os.write(writing, "ürich".encode()[3:] + b"\n\xff\nbye")
        assert await anext(lines) == "in Zürich"
        assert await anext(lines) == "\N{REPLACEMENT CHARACTER}"
        os.close(writing)
        assert [line async for line in lines] == ["bye"]
    finally:
        os.close(reading)


async def test_a_plain_file_and_none_at_all_have_an_end(tmp_path: Path) -> None:
    (tmp_path / "asks").write_text("one\ntwo")
    for path, expected in ((tmp_path / "asks", ["one", "two"]), (os.devnull, [])):
        descriptor = os.open(path, os.O_RDONLY)
        assert [line async for line in Lines(descriptor).read()] == expected
        os.close(descriptor)


def test_on_a_terminal_everything_stands_above_the_prompt() -> None:
    out = io.StringIO()
    screen = Screen(out, interactive=True)
    screen.show("before")
    screen.prompt()
    screen.show("agent: hi")
    Beside(screen, out).write("12:00 | INFO | log\n")
    screen.entered()
    screen.show("answer")
    screen.prompt()
    screen.farewell()
    erase = "\r\x1b[K"
    assert out.getvalue() == (
        f"before\nyou: {erase}agent: hi\nyou: {erase}12:00 | INFO | log\nyou: answer\nyou: {erase}"
    )


def test_in_a_pipe_there_are_only_lines() -> None:
    out = io.StringIO()
    screen = Screen(out, interactive=False)
    screen.prompt()
    screen.show("agent: hi")
    screen.farewell()
    assert out.getvalue() == "agent: hi\n"


def test_what_could_redraw_a_terminal_is_not_printed() -> None:
    out = io.StringIO()
    Screen(out, interactive=False).show("agent: \x1b[2Jgone\rtwo\nlines, café")
    assert out.getvalue() == "agent:  [2Jgone two lines, café\n"


def spoken(transcript: Transcript) -> None:
    transcript.hear(UserTranscriptEvent("what is", final=False))
    transcript.hear(UserTranscriptEvent("what is the weather", final=True))
    transcript.hear(ToolCalledEvent("get_weather", "no window", True, 0.0126, {"location": "Paris"}))
    transcript.hear(AgentTranscriptEvent("Sorry.", 0.2345))
    transcript.hear(AgentTurnStartedEvent(0.31))
    transcript.hear(AgentTranscriptEvent("I cannot look out.", 0.5))
    transcript.hear(AgentTurnEndedEvent("Sorry.", interrupted=True))


def test_both_sides_what_was_called_and_how_long_it_took_are_shown() -> None:
    shown: list[str] = []
    transcript = Transcript(shown.append, echoes=True)
    spoken(transcript)
    assert shown == [
        "you: what is the weather",
        "  -> get_weather(location='Paris') failed: no window (13 ms)",
        "agent: Sorry.",
        "agent: I cannot look out.",
        "  (first words after 234 ms, first sound after 310 ms, cut off)",
    ]


def test_a_greeting_answers_nobody_and_has_no_time() -> None:
    shown: list[str] = []
    transcript = Transcript(shown.append, echoes=True)
    transcript.hear(AgentTranscriptEvent("Hello!", None))
    transcript.hear(AgentTurnStartedEvent(None))
    transcript.hear(AgentTurnEndedEvent("Hello!", interrupted=False))
    assert shown == ["agent: Hello!"]


@pytest.mark.parametrize(("echoes", "expected"), [(True, ["you: hi"]), (False, ["you: hi", "you: hi"])])
def test_what_stands_on_the_terminal_already_is_not_shown_again(echoes: bool, expected: list[str]) -> None:
    shown: list[str] = []
    transcript = Transcript(shown.append, echoes=echoes)
    transcript.expect("hi")
    transcript.hear(UserTranscriptEvent("hi", final=True))
    transcript.hear(UserTranscriptEvent("hi", final=True))  # this one was spoken
    assert shown == expected


def test_a_part_that_fails_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_API_KEY", "hunter2-secret")
    shown: list[str] = []
    Transcript(shown.append, echoes=True).hear(AgentErrorEvent("answer", RuntimeError("hunter2-secret is refused")))
    assert shown == ["  ! answer failed: RuntimeError: [redacted] is refused"]
