"""Agent files that are run as programs, as users run theirs: how they are found again, and how all ends with them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.integration.isolation.stage import DEADLINE_SECONDS, descendants, is_running, until

AGENT_FILE = Path(__file__).parent / "agent_file.py"

UNGUARDED = """
import asyncio
from tests.integration.isolation.agents import create_agent, join_call
from greenroom.isolation import ProcessStock, RecipeSource
from greenroom_core.clock import SystemClock

asyncio.run(ProcessStock(RecipeSource(create_agent, join_call), SystemClock()).warm_up())
"""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=AGENT_FILE.parents[3]
    )


async def lines(program: asyncio.subprocess.Process, count: int) -> list[str]:
    assert program.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        return [(await program.stdout.readline()).decode().strip() for _ in range(count)]


def has_pending_signals(pid: int) -> bool:
    """Sent to the process and not yet delivered."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["ShdPnd"], 16) != 0


async def test_with_the_launcher_every_process_ends_even_one_that_never_lets_python_run() -> None:
    program = await started(str(AGENT_FILE), "talk", "stay", "spin")
    said = await lines(program, 4)
    assert "all built __main__" in said
    below = descendants(program.pid)
    sessions = {int(line.split()[1]) for line in said if line.startswith("process")}
    assert len(sessions) == 3
    assert sessions < below, "and the stock, and spare ones"
    program.send_signal(signal.SIGKILL)
    await program.wait()
    await until(lambda: not any(is_running(pid) for pid in below))


async def test_ctrl_c_is_for_the_launcher_alone() -> None:
    """A terminal sends it to the stock too, a service manager its SIGTERM to every process."""
    program = await started(str(AGENT_FILE), "talk")
    said = await lines(program, 2)
    session = next(int(line.split()[1]) for line in said if line.startswith("process"))
    below = descendants(program.pid)
    for pid in below:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
    await until(lambda: not any(has_pending_signals(pid) for pid in below))
    assert all(is_running(pid) for pid in below)
    assert session in below
    program.kill()
    await program.wait()
    await until(lambda: not any(is_running(pid) for pid in below))


async def test_lines_of_a_session_are_logged_as_the_launcher_logs_and_bear_its_ids(
    capfd: pytest.CaptureFixture[str],
) -> None:
    program = await started(str(AGENT_FILE), "log")
    await lines(program, 2)
    said = ""

    def line() -> dict[str, object] | None:
        nonlocal said
        said += capfd.readouterr().err
        return next((json.loads(text) for text in said.splitlines() if "agent's own" in text), None)

    await until(line)
    program.kill()
    await program.wait()
    found = line()
    assert found is not None
    assert found | {"time": ""} == {
        "time": "",
        "level": "WARNING",
        "logger": "mine",
        "message": "a line of the agent's own",
        "session": "s0",
        "call": "one",
    }


async def test_a_file_without_a_main_guard_is_told_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "unguarded.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(AGENT_FILE.parents[3])!r})\n{UNGUARDED}")
    program = await started(str(path))
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await program.wait() != 0
    assert "if __name__ == '__main__':" in capfd.readouterr().err
