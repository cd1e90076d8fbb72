"""What an agent file imports, and the command line it gets."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

AGENT_FILE = """
import asyncio
from greenroom import AgentLauncher, Runner
from greenroom_core.clock import SystemClock
from tests.unit.runtime.agents import AgentFile, until_cancelled

async def soon_over(agent):
    agent.join()

async def fails(agent):
    raise ValueError("no line")

file = AgentFile(SystemClock(), call={call})
Runner(AgentLauncher(file.create_agent, file.join_call)).cli()
"""


def python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("name", ["Agent", "AgentLauncher", "AgentSession", "Runner", "ServeOptions", "User"])
def test_the_documented_names_are_there(name):
    import greenroom

    assert name in dir(greenroom)
    assert getattr(greenroom, name).__name__ == name


def test_the_import_is_cheap():
    """No name of the package is loaded before it is used, so neither is what it needs."""
    code = (
        "import sys, greenroom; print([n for n in sys.modules if n.split('.')[0] in ('aiohttp', 'msgspec', 'click')])"
    )
    out, _ = python(code).communicate(timeout=60)
    assert out.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    import greenroom

    with pytest.raises(AttributeError, match="has no attribute 'Agnet'"):
        _ = greenroom.Agnet


def test_the_commands_are_those_that_work():
    out, _ = python(AGENT_FILE.format(call="fails"), "--help").communicate(timeout=60)
    listed = [line.split()[0] for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert listed == ["api", "run", "runtime", "serve"]


def test_run_is_one_session_in_the_console():
    process = python(AGENT_FILE.format(call="soon_over"), "run", "--call-id", "my-call", "--call-type", "audio")
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "joins call audio/my-call" in out
    assert out.endswith("the call is over\n")


def test_run_ends_cleanly_on_ctrl_c():
    process = python(AGENT_FILE.format(call="until_cancelled"), "run")
    try:
        assert process.stdout is not None
        assert "Ctrl-C ends it" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()  # it would run for ever
    assert process.returncode == 0, error
    assert "Traceback" not in error
    assert "ended: Drained" in error


def test_run_raises_what_the_agent_raises():
    process = python(AGENT_FILE.format(call="fails"), "run")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ValueError: no line" in error


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "--namespace (or GREENROOM_NAMESPACE) must be set"),
        (
            {"GREENROOM_NAMESPACE": "n", "GREENROOM_POD_NAME": "p", "GREENROOM_POD_UID": "u", "GREENROOM_SLOTS": "0"},
            "GREENROOM_SLOTS='0' is not allowed: how many sessions the pod takes at once, 1 or more",
        ),
        (
            {"GREENROOM_NAMESPACE": "n", "GREENROOM_POD_NAME": "p", "GREENROOM_POD_UID": "u", "HOME": "/nowhere"},
            "no credentials",
        ),
    ],
)
def test_runtime_without_what_it_needs_says_so_in_one_line(environment, text):
    process = python(AGENT_FILE.format(call="fails"), "runtime", **environment)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert text in error
    assert len(error.strip().splitlines()) == 1
