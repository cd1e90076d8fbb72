"""`python my_agent.py run` as a person meets it: at a terminal, in a pipe, with agents of every kind."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.console.terminal import CTRL_C, CTRL_D, Terminal, piped

ROOT = Path(__file__).parents[3]
AGENT = str(ROOT / "tests/agents/talkative.py")
QUESTION = "What is the weather in Paris?"
SECRET = {"VENDOR_API_KEY": "hunter2-secret"}
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} \| (DEBUG|INFO|WARNING|ERROR|CRITICAL) \| .+")


def mode(name: str) -> dict[str, str]:
    return {"GREENROOM_TEST_MODE": name, **SECRET}


def ends(terminal: Terminal, status: int) -> None:
    assert terminal.status() == status, terminal.shown


# --- at a terminal ---


def test_a_typed_question_is_answered_with_the_function_called_and_the_time_it_took() -> None:
    with Terminal([AGENT, "run", "--call-id", "c-1", "--log-level", "ERROR"]) as terminal:
        terminal.until(r"^greenroom \d+\.\d+")
        session = terminal.until(r"session (\S+) joins call default/c-1; Ctrl-C ends it\n")[1]
        terminal.until(r"typing works\n")
        terminal.until(r"type to the agent; /help lists the commands\n")
        terminal.until(r"you: ")
        terminal.type(QUESTION)
        terminal.until(r"-> get_weather\(location='Paris'\) It is sunny in Paris\. \(\d+ ms\)\n")
        terminal.until(r"agent: It is sunny in Paris\.\n")
        terminal.until(r"\(first words after \d+ ms\)\n")
        terminal.type("/metrics")
        terminal.until(r"llm_tool_calls__total 1\n")
        terminal.type("/help")
        terminal.until(r"/quit +the end")
        terminal.type("/wave")
        terminal.until(r"/wave: no such command")
        terminal.type("/quit")
        terminal.until(r"agent has left\n")
        terminal.until(r"the call is over\n")
        ends(terminal, 0)
    assert len(session) == 36
    assert terminal.shown.count(QUESTION) == 1  # the terminal itself shows what is typed


def test_the_next_line_cuts_an_answer_off() -> None:
    with Terminal([AGENT, "run", "--log-level", "ERROR"], mode("slow")) as terminal:
        terminal.until(r"you: ")
        terminal.type("tell me a story")
        terminal.until(r"agent: Once\.\n")
        terminal.type(QUESTION)
        terminal.until(r"\(first words after \d+ ms, cut off\)\n")
        terminal.until(r"agent: It is sunny in Paris\.\n")
        terminal.press(CTRL_D)
        terminal.until(r"agent has left\n")
        ends(terminal, 0)


@pytest.mark.parametrize("end", ["ctrl-c", "ctrl-d", "sigterm", "sighup"])
def test_it_ends_cleanly_however_it_is_ended(end: str) -> None:
    with Terminal([AGENT, "run", "--no-splash"]) as terminal:
        terminal.until(r"you: ")
        if end.startswith("sig"):
            terminal.kill(signal.Signals[end.upper()])
        else:
            terminal.press(CTRL_C if end == "ctrl-c" else CTRL_D)
        terminal.until(r"agent has left\n")
        ends(terminal, 0)
    assert "greenroom 0" not in terminal.shown
    assert "Traceback" not in terminal.shown


def test_an_agent_that_never_comes_is_not_waited_for_after_ctrl_c() -> None:
    with Terminal([AGENT, "run"], mode("hang")) as terminal:
        terminal.until(r"building for ever\n")
        terminal.press(CTRL_C)
        ends(terminal, 0)
    assert "Traceback" not in terminal.shown


@pytest.mark.parametrize(("flags", "looks_out"), [([], False), (["--debug"], True)])
def test_debug_is_asyncios_own_checks(flags: list[str], looks_out: bool) -> None:
    with Terminal([AGENT, "run", *flags], mode("debug")) as terminal:
        terminal.until(rf"asyncio looks out: {looks_out}\n")
        terminal.until(r"you: ")
        terminal.type("/quit")
        ends(terminal, 0)


def test_a_call_that_ends_ends_the_program() -> None:
    with Terminal([AGENT, "run"], mode("hang_up")) as terminal:
        terminal.until(r"agent has left\n")
        terminal.until(r"the call is over\n")
        ends(terminal, 0)


def test_the_log_stands_above_the_prompt_in_lines_of_its_own() -> None:
    with Terminal([AGENT, "run", "--no-audio"]) as terminal:
        terminal.until(r"sound is off; typing works\n")
        terminal.until(r"you: ")
        terminal.type(QUESTION)
        terminal.until(r"\| INFO \| .*transcript agent: It is sunny in Paris\. session=\S+ call=\S+\n")
        terminal.type("/quit")
        ends(terminal, 0)
    on_screen = [re.split(r"\r?\x1b\[K", line)[-1] for line in terminal.raw.replace("\r\n", "\n").split("\n")]
    logged = [line for line in on_screen if " | INFO | " in line]
    assert logged
    assert all(LOG_LINE.fullmatch(line) for line in logged), logged


def test_the_demo_page_is_opened_unless_it_is_not_wanted() -> None:
    with Terminal([AGENT, "run", "--call-type", "livestream", "--call-id", "c-2"], mode("demo")) as terminal:
        terminal.until(r"demo of livestream/c-2 for \S{36}\n")
        terminal.until(r"you: ")
        terminal.type("/quit")
        ends(terminal, 0)
    with Terminal([AGENT, "run", "--no-demo"], mode("demo")) as terminal:
        terminal.until(r"you: ")
        terminal.type("/quit")
        ends(terminal, 0)
    assert "demo of" not in terminal.shown


def test_another_frameworks_agent_is_typed_to_and_told_apart() -> None:
    with Terminal([AGENT, "run"], mode("foreign")) as terminal:
        terminal.until(r"this agent can be typed to; what it answers only its own edge and log show\n")
        terminal.until(r"you: ")
        terminal.type("hello")
        terminal.until(r"foreign agent heard hello, interrupt=True\n")
        terminal.type("/quit")
        terminal.until(r"foreign agent closed\n")
        ends(terminal, 0)


def test_an_agent_that_takes_no_text_is_waited_for(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.touch()
    with Terminal([AGENT, "run", "--video-track-override", str(video)], mode("mute")) as terminal:
        terminal.until(rf"video {re.escape(str(video))}\n")
        terminal.until(r"this agent cannot be typed to")
        terminal.until(r"/help, /quit\nyou: ")
        terminal.type("hello")
        terminal.until(r"this agent cannot be typed to")
        terminal.type("/metrics")
        terminal.until(r"no figures yet")
        terminal.press(CTRL_C)
        terminal.until(r"foreign agent closed\n")
        ends(terminal, 0)


# --- in a pipe ---


def test_a_piped_question_is_answered_and_that_is_the_end() -> None:
    done = piped([AGENT, "run", "--call-id", "c-1", "--log-level", "ERROR"], QUESTION + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"session \S{36} joins call default/c-1; Ctrl-C ends it", lines[0])
    assert lines[1:4] == [
        "sound is off; typing works",
        f"you: {QUESTION}",
        lines[3],
    ]
    assert lines[3].startswith("  -> get_weather(location='Paris') It is sunny in Paris. (")
    assert lines[4] == "agent: It is sunny in Paris."
    assert re.fullmatch(r"  \(first words after \d+ ms\)", lines[5])
    assert lines[6:] == ["agent has left", "the call is over"]


def test_every_piped_line_gets_its_whole_answer_the_last_without_a_line_end_too() -> None:
    done = piped([AGENT, "run", "--log-level", "ERROR"], f"tell me a story\n\n{QUESTION}\n/metrics\nhello")
    said = [line for line in done.stdout.splitlines() if line.startswith(("you: ", "agent: "))]
    assert said == [
        "you: tell me a story",
        *("agent: Once.", "agent: Upon.", "agent: A time."),
        f"you: {QUESTION}",
        "agent: It is sunny in Paris.",
        "you: hello",
        *("agent: Hello!", "agent: How can I help you today?"),
    ]
    assert "llm_tool_calls__total 1" in done.stdout


def test_without_anybody_at_standard_input_the_call_lasts_until_it_ends() -> None:
    with Terminal(["-c", _FROM_FILE, os.devnull, AGENT]) as terminal:
        terminal.until(r"nothing comes from standard input: the call lasts until it ends, or Ctrl-C\n")
        terminal.press(CTRL_C)
        terminal.until(r"agent has left\n")
        ends(terminal, 0)


_FROM_FILE = """
import os, sys
os.dup2(os.open(sys.argv[1], os.O_RDONLY), 0)
os.execv(sys.executable, [sys.executable, sys.argv[2], "run"])
"""


def test_a_plain_file_can_ask_too(tmp_path: Path) -> None:
    questions = tmp_path / "questions"
    questions.write_text(QUESTION)
    done = piped(["-c", _FROM_FILE, str(questions), AGENT], None)
    assert "agent: It is sunny in Paris.\n" in done.stdout
    assert done.returncode == 0


# --- errors ---


@pytest.mark.parametrize(
    ("what", "error"),
    [("fail_create", "ValueError: no such voice"), ("fail_join", "RuntimeError: the model is out of reach")],
)
def test_an_error_is_told_in_lines_of_the_log_and_by_the_exit_status(what: str, error: str) -> None:
    done = piped([AGENT, "run"], None, mode(what))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"| the session failed: {error}: [redacted]")
    assert all(LOG_LINE.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_with_debug_the_traceback_is_told_too() -> None:
    done = piped([AGENT, "run", "--debug"], None, mode("fail_join"))
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "talkative.py" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_the_runner_itself_raises_what_the_agents_code_raised() -> None:
    code = "import talkative as t\ntry:\n    t.Runner(t.AgentLauncher(t.create_agent, t.join_call)).run()\n"
    code += "except ValueError as error:\n    print('raised', error)"
    environment = {**mode("fail_create"), "PYTHONPATH": str(ROOT / "tests/agents")}
    done = piped(["-c", code], None, environment)
    assert done.stdout == "raised no such voice: hunter2-secret\n"  # an error of the user's own is not changed


# --- the log ---


def test_each_line_of_json_within_a_session_has_its_ids_whoever_logs_it() -> None:
    done = piped([AGENT, "run", "--call-id", "c-1", "--log-format", "json"], QUESTION, mode("logs"))
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    session = re.match(r"session (\S+) joins", done.stdout)[1]  # type: ignore[index]
    assert ids(lines, logger="my_app") == [(session, "c-1")] * 4
    messages = {line["message"] for line in lines if line["logger"] == "my_app"}
    assert messages == {"in a task", "in a thread", "with [redacted]", "looking out of the window"}
    assert set(ids(lines, logger="greenroom.agent")) == {(session, "c-1")}
    assert "hunter2" not in done.stderr


def test_a_session_in_a_process_of_its_own_logs_no_differently() -> None:
    with Terminal([AGENT, "run", "--call-id", "c-1", "--log-format", "json"], mode("isolated")) as terminal:
        session = terminal.until(r"session (\S+) joins call default/c-1")[1]
        terminal.anywhere(r"this agent cannot be typed to: .* or runs in a process of its own\n")
        terminal.anywhere(r"you: ")
        line = json.loads(terminal.anywhere(r'\{.*"in a task".*\}')[0])
        assert (line["session"], line["call"], line["logger"]) == (session, "c-1", "my_app")
        terminal.anywhere(r"with \[redacted\]")
        terminal.type("/quit")
        ends(terminal, 0)


def test_logging_that_the_file_set_up_itself_is_respected() -> None:
    done = piped([AGENT, "run"], QUESTION, mode("basic"))
    assert "mine: looking out of the window\n" in done.stderr
    assert len(re.findall("transcript agent: It is sunny in Paris", done.stderr)) == 1
    assert len(re.findall("looking out of the window", done.stderr)) == 1
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} \| INFO \| .*transcript agent", done.stderr, re.MULTILINE)


def test_json_was_asked_for_so_their_lines_are_json_too() -> None:
    done = piped([AGENT, "run", "--call-id", "c-1"], QUESTION, {**mode("basic"), "GREENROOM_LOG_FORMAT": "json"})
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    ((_, call),) = ids(lines, logger="my_app")
    assert call == "c-1"


def test_colour_and_splash_are_for_terminals() -> None:
    done = piped([AGENT, "run"], QUESTION)
    assert "\x1b" not in done.stdout + done.stderr
    assert not done.stdout.startswith("greenroom")


def ids(lines: list[dict[str, Any]], *, logger: str) -> list[tuple[str | None, str | None]]:
    return [(line.get("session"), line.get("call")) for line in lines if line["logger"] == logger]
