"""What an agent does to its process ends its session, says why, and is nobody else's matter."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.isolation.stage import LIMITS, Session, is_running, until

from greenroom.isolation import SessionProcessLost
from greenroom.limits import TimeLimits
from greenroom.notices import Assignment, Joined, Notice
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from tests.integration.isolation.conftest import MakeStock

    from greenroom.isolation import ProcessStock

OVER_LIMIT = "the session's process exceeded its memory limit of 96 MiB"
NUMPY = "Unable to allocate 7.63 MiB for an array with shape (1000000,) and data type float64"
BLOCKED = "its event loop was blocked for 2 s"


def process_of(journal: Path) -> int:
    """The session's, as its agent has noted it."""
    return int(journal.read_text().split(" in ")[1].split(":")[0])


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("exit", "its process exited with status 3"),
        ("segfault", "its process was ended by signal 11 (SIGSEGV)"),
        ("kill", "its process was ended by signal 9 (SIGKILL)"),
        ("bytearray", OVER_LIMIT),
        ("bytearray in a task", f"{OVER_LIMIT}: ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)"),
        ("numpy", f"{OVER_LIMIT}: MemoryError: {NUMPY}"),
        ("spin", BLOCKED),
        ("sleep", BLOCKED),
        ("sys.exit", "AgentExit: join_call raised SystemExit(4)"),
        ("raise", "Peculiar: the line is bad"),
    ],
)
async def test_one_session_ends_with_its_reason_and_its_neighbours_go_on(
    make_stock: MakeStock, deed: str, message: str
) -> None:
    async with make_stock(memory_limit_bytes=96 << 20) as stock:
        neighbours = [await Session(stock, f"n{number}", do="talk").built() for number in range(2)]
        fallen = Session(stock, "s1", do=deed)
        ending = await fallen.ended()
        assert (ending.reason, ending.message) == (EndReason.AGENT_ERROR, message)
        assert fallen.kinds[0] == "Built"
        assert fallen.kinds[-1] == "Ended"
        assert fallen.kinds.count("Ended") == 1
        for neighbour in neighbours:
            await neighbour.goes_on()
            assert (await neighbour.leave()).reason is EndReason.CLOSE_REQUESTED


@pytest.mark.parametrize("deed", ["exit", "segfault", "bytearray", "spin"])
async def test_a_crash_while_the_agent_is_built(make_stock: MakeStock, deed: str) -> None:
    async with make_stock(memory_limit_bytes=96 << 20) as stock:
        session = Session(stock, build=deed)
        assert (await session.ended()).reason is EndReason.AGENT_ERROR
        assert session.kinds == ["Ended"]
        assert session.life.agent is None
        assert session.life.start_settled.is_set()
        assert session.life.start_error is session.life.error
        assert (await Session(stock, do="finish").ended()).reason is EndReason.FINISHED


async def test_who_waits_for_the_call_learns_how_the_process_ended(stock: ProcessStock) -> None:
    session = await Session(stock, do="kill").built()
    assert session.life.task is not None
    with pytest.raises(SessionProcessLost, match="SIGKILL"):
        await session.life.task


async def test_a_host_that_fails_is_told_and_costs_its_session_alone(stock: ProcessStock) -> None:
    heard: list[Notice] = []

    def hear(notice: Notice) -> None:
        if isinstance(notice, Joined):
            raise RuntimeError("no ink")
        heard.append(notice)

    life = stock.life(Assignment("s2", "one", "default", {}, LIMITS), hear)
    life.begin()
    await until(lambda: life.ending)
    assert heard[-1] is life.ending
    assert life.ending is not None
    assert life.ending.message == "the runtime failed: RuntimeError: no ink"
    assert (await Session(stock, do="finish").ended()).reason is EndReason.FINISHED


async def test_what_would_not_leave_is_killed_and_keeps_its_reason(stock: ProcessStock, journal: Path) -> None:
    session = await Session(stock, do="spin on leaving", journal=str(journal)).joined()
    ending = await session.leave()
    assert ending.reason is EndReason.CLOSE_REQUESTED
    assert ending.message in ("its process did not leave in time and was killed", BLOCKED)
    assert not is_running(process_of(journal))
    assert session.life.task is not None
    with pytest.raises(asyncio.CancelledError):
        await session.life.task


async def test_a_join_call_that_ignores_its_cancellation_goes_with_its_process(
    stock: ProcessStock, journal: Path
) -> None:
    session = await Session(stock, do="stubborn", journal=str(journal)).joined()
    ending = await session.leave()
    assert ending.reason is EndReason.CLOSE_REQUESTED
    assert "join_call did not end within" in ending.message
    assert not is_running(process_of(journal))
    assert "closed in" in journal.read_text()
    assert session.life.task is not None
    with pytest.raises(asyncio.CancelledError):
        await session.life.task


async def test_a_start_that_hangs_ends_at_its_timeout(stock: ProcessStock) -> None:
    await until(lambda: len(stock._spares) == 2)
    limits = TimeLimits(start_timeout_seconds=0.5, leave_timeout_seconds=0.5)
    session = Session(stock, limits=limits, build="hang")
    ending = await session.ended()
    assert ending.reason is EndReason.START_TIMEOUT
    assert ending.message == "create_agent and warm-up took over 0.5 s"
    assert isinstance(session.life.start_error, TimeoutError)


async def test_a_start_that_blocks_its_loop_ends_at_its_timeout_too(make_stock: MakeStock) -> None:
    async with make_stock(blocked_loop_seconds=60) as stock:
        limits = TimeLimits(start_timeout_seconds=3.0, leave_timeout_seconds=0.5)
        session = Session(stock, limits=limits, build="sleep")
        ending = await session.ended()
        assert ending.reason is EndReason.START_TIMEOUT
        assert ending.message.startswith("create_agent and warm-up took over 3 s; its process did not")
        assert isinstance(session.life.start_error, TimeoutError)


async def test_a_stopped_process_is_taken_for_a_blocked_one(stock: ProcessStock, journal: Path) -> None:
    session = await Session(stock, do="talk", journal=str(journal)).joined()
    send(process_of(journal), signal.SIGSTOP)
    assert (await session.ended()).message == BLOCKED


async def test_a_launcher_that_stood_still_blames_nobody(stock: ProcessStock) -> None:
    session = await Session(stock, do="talk").joined()
    time.sleep(3)  # noqa: ASYNC251 - longer than a session may be silent
    await session.goes_on()
    await session.leave()


async def test_what_the_agent_started_ends_with_its_process(stock: ProcessStock) -> None:
    session = Session(stock, do="start a program")
    ending = await session.ended()
    program = int(ending.message.rpartition(" ")[2])
    await until(lambda: not Path(f"/proc/{program}").exists())


def send(pid: int, number: int) -> None:
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, number)
    os.close(process)
