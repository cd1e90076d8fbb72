"""Waiting beside servers: what is waited for comes, or the server that ended is the answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster import ClusterFailed
from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.node.crew import Crew

from greenroom_core.clock import SystemClock
from greenroom_local.children import ChildProcess, Command

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = SystemClock()


def server(folder: Path, script: str) -> ChildProcess:
    return ChildProcess(Command("a server", ("sh", "-c", script), dict(os.environ), folder / "its.log"), CLOCK)


async def test_a_server_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    crew = Crew(tmp_path, CLOCK)
    crew.start(server(tmp_path, "echo no such flag; exit 3"))

    async def never() -> bool:
        return False

    with pytest.raises(ClusterFailed, match=r"(?s)a server ended with exit status 3; .*its\.log ends:\nno such flag"):
        await crew.until("it is up", never)


async def test_what_comes_ends_the_waiting_and_the_crew_ends_whole(tmp_path: Path) -> None:
    crew = Crew(tmp_path, CLOCK)
    child = server(tmp_path, "echo up; exec sleep 60")
    crew.start(child)

    async def is_up() -> bool:
        return "up" in child.last_lines()

    await crew.until("it is up", is_up)
    assert child.running
    await crew.end()
    assert not child.running
    await crew.end()


async def test_a_command_is_told_with_what_it_said() -> None:
    assert await run(("cat",), given="said\n") == "said\n"
    with pytest.raises(CommandFailed, match=r"sh -c .*: exit status 4: why"):
        await run(("sh", "-c", "echo why >&2; exit 4"))
    with pytest.raises(CommandFailed, match="does not run"):
        await run(("/nowhere/program",))


async def test_a_command_without_an_end_is_killed() -> None:
    with pytest.raises(CommandFailed, match="no end after 0 s"):
        await run(("sleep", "60"), seconds=0.05)
