"""The launcher's own surface, with a process for each session."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.integration.isolation.agents import create_agent, join_call
from tests.integration.isolation.stage import descendants, until

from greenroom import AgentLauncher
from greenroom.errors import InvalidParameters, MaxConcurrentSessionsExceeded, StartTimedOut
from greenroom.isolation import AgentCodeError, SessionProcessLost
from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MANY = 10


@pytest_asyncio.fixture
async def launcher() -> AsyncIterator[AgentLauncher]:
    before = descendants(os.getpid())
    launcher = AgentLauncher(
        create_agent,
        join_call,
        max_concurrent_sessions=MANY,
        maintenance_interval=0.2,
        start_timeout_seconds=30,
        leave_timeout_seconds=2,
        isolation="process",
    )
    async with launcher:
        yield launcher
    assert descendants(os.getpid()) <= before


async def test_ten_at_once_and_not_one_more(launcher: AgentLauncher) -> None:
    sessions = await asyncio.gather(*(launcher.start_session(f"call-{number}") for number in range(MANY)))
    assert len({session.id for session in sessions}) == MANY
    with pytest.raises(MaxConcurrentSessionsExceeded):
        await launcher.start_session("one-more")
    assert await launcher.close_session(sessions[0].id, wait=True)
    with pytest.raises(asyncio.CancelledError):
        await sessions[0].wait()
    assert sessions[0].finished
    await launcher.start_session("one-more")


async def test_figures_reach_the_registry(launcher: AgentLauncher) -> None:
    session = await launcher.start_session("call", parameters={"do": "talk"})

    async def talks() -> bool:
        info = await launcher.get_session_info("call", session.id)
        return info is not None and (info.metrics.to_dict()["llm_output_tokens__total"] or 0) > 21

    async with asyncio.timeout(60):
        while not await talks():
            await asyncio.sleep(0.05)
    assert session.on_call_for() > 0
    assert session.idle_for() == 0


async def test_a_crash_is_recorded_and_raised(launcher: AgentLauncher) -> None:
    neighbour = await launcher.start_session("call")
    session = await launcher.start_session("call", parameters={"do": "segfault"})
    with pytest.raises(SessionProcessLost, match=r"ended by signal 11 \(SIGSEGV\)"):
        await session.wait()
    await until(lambda: launcher.get_session(session.id) is None)
    records = {info.session_id: info for info in await launcher.list_sessions("call")}
    assert records[session.id].phase is Phase.FAILED
    assert records[session.id].message == "its process was ended by signal 11 (SIGSEGV)"
    assert records[neighbour.id].phase is Phase.RUNNING
    assert not neighbour.finished


async def test_starts_raise_what_they_raise_without_isolation(launcher: AgentLauncher) -> None:
    with pytest.raises(AgentCodeError, match="the line is bad"):
        await launcher.start_session("call", parameters={"build": "raise"})
    with pytest.raises(InvalidParameters):
        await launcher.start_session("call", parameters={"build": lambda: None})


async def test_a_start_that_takes_too_long() -> None:
    launcher = AgentLauncher(
        create_agent, join_call, start_timeout_seconds=1.5, leave_timeout_seconds=1, isolation="process"
    )
    async with launcher:
        with pytest.raises(StartTimedOut):
            await launcher.start_session("call", parameters={"build": "hang"})


async def test_a_drain_tells_the_agents_in_their_processes(launcher: AgentLauncher, tmp_path: Path) -> None:
    """Those that are built in the meantime, too."""
    journals = [tmp_path / "built", tmp_path / "building"]
    await launcher.start_session("call", parameters={"journal": str(journals[0])})
    await launcher.begin_session("call", parameters={"journal": str(journals[1]), "build": "linger"})
    draining = asyncio.create_task(launcher.drain(timeout=60.0))
    for journal, told in zip(journals, (r"(60|5\d)", r"[1-5]\d"), strict=True):
        await until(lambda journal=journal, told=told: journal.exists() and _told(journal, told))  # type: ignore[misc]
    for session in launcher.sessions:
        await launcher.close_session(session.id)
    assert await draining


def _told(journal: Path, seconds: str) -> bool:
    return re.search(f"^host leaves in {seconds} s, moves: False$", journal.read_text(), re.MULTILINE) is not None


async def test_a_drain_leaves_nobody(launcher: AgentLauncher) -> None:
    await launcher.start_session("call")
    finishing = await launcher.start_session("call", parameters={"do": "finish"})
    assert not await launcher.drain(timeout=1.0)
    assert finishing.finished
    assert launcher.sessions == ()


def test_functions_without_a_name_are_refused_when_the_launcher_is_made() -> None:
    with pytest.raises(ValueError, match="define it with `def` at the top level of its module"):
        AgentLauncher(lambda: None, join_call, isolation="process")
