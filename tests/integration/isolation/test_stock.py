"""The stock: loads once, shares, starts at once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from statistics import median
from typing import TYPE_CHECKING

import pytest
from tests.integration.isolation import agents
from tests.integration.isolation.stage import Session, descendants, is_running, open_files, until

from greenroom.errors import InvalidParameters, StartAbandoned
from greenroom.isolation import AgentCodeError, ProcessStock, RecipeSource
from greenroom.limits import TimeLimits
from greenroom_core.clock import SystemClock
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.isolation.conftest import MakeStock

logger = logging.getLogger(__name__)


async def fails(build: str = "") -> agents.StubAgent:
    raise ValueError(f"no model here, and no {os.environ.get('GREENROOM_TEST_API_KEY', 'key')}")


async def fails_once() -> agents.StubAgent:
    """Only the stock's own agent cannot be built."""
    if os.getpgid(0) != os.getpid():  # session processes lead groups of their own
        raise ValueError("no model yet")
    return agents.StubAgent("")


async def dies(build: str = "") -> agents.StubAgent:
    os._exit(5)


async def hangs(build: str = "") -> agents.StubAgent:
    await asyncio.Event().wait()
    raise AssertionError


async def end(*sessions: Session) -> None:
    for session in sessions:
        session.life.leave(EndReason.CLOSE_REQUESTED)
    for session in sessions:
        assert (await session.ended()).reason is EndReason.CLOSE_REQUESTED


def stock_process(stock: ProcessStock) -> int:
    assert stock._link is not None
    return stock._link._process.pid


async def test_what_agents_share_is_loaded_once_and_every_session_has_it(
    make_stock: MakeStock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = tmp_path / "loads"
    monkeypatch.setenv("GREENROOM_TEST_LOADS", str(loads))
    async with make_stock() as stock:
        for _ in range(3):
            assert (await Session(stock, do="use the pool").ended()).reason is EndReason.FINISHED
        assert loads.read_text().split() == [str(stock_process(stock))]


async def test_ten_at_once(stock: ProcessStock) -> None:
    """How long it takes is for the log: this machine may have other work."""
    loop = asyncio.get_running_loop()
    await until(lambda: len(stock._spares) == 2)
    begun = loop.time()
    ten = await asyncio.gather(*(Session(stock, f"s{number}").built() for number in range(10)))
    logger.info("ten sessions at once ran after %.0f ms", 1000 * (loop.time() - begun))
    assert len({session.life.agent.id for session in ten if session.life.agent is not None}) == 10
    processes = descendants(os.getpid())
    assert len(processes) >= 11, "each has its own, besides the stock"
    await end(*ten)


async def test_fifty_in_a_row_leave_no_process_and_no_open_file(stock: ProcessStock) -> None:
    await until(lambda: len(stock._spares) == 2)
    processes, files = len(descendants(os.getpid())), open_files()
    loop = asyncio.get_running_loop()
    seconds = []
    for number in range(50):
        begun = loop.time()
        session = await Session(stock, f"s{number}").built()
        seconds.append(loop.time() - begun)
        await end(session)
    logger.info("the median start took %.1f ms", 1000 * median(seconds))
    await until(lambda: len(stock._spares) == 2)
    assert len(descendants(os.getpid())) == processes
    assert open_files() == files


async def test_sessions_of_one_stock_do_not_share_random_numbers(stock: ProcessStock) -> None:
    numbers = [(await Session(stock, do="random").ended()).message.removeprefix("Peculiar: ") for _ in range(2)]
    assert len({*numbers[0].split(), *numbers[1].split()}) == 4


async def test_a_session_reads_no_input_and_holds_no_file_of_another(stock: ProcessStock) -> None:
    assert (await Session(stock, do="stdin").ended()).message == "Peculiar: ''"
    talking = await Session(stock, "s2", do="talk").built()
    files = [(await Session(stock, f"f{number}", do="open files").ended()).message for number in range(3)]
    assert len(set(files)) == 1, "none inherits the sockets of those before it"
    await end(talking)


async def test_parameters_go_through(stock: ProcessStock, journal: Path) -> None:
    session = Session(stock, do="finish", journal=str(journal), many=[1, 2.5, None], text="ü", nested={"a": {"b": ()}})
    assert (await session.ended()).reason is EndReason.FINISHED
    assert "('many', [1, 2.5, None]), ('nested', {'a': {'b': ()}}), ('text', 'ü')]" in journal.read_text()


async def test_parameters_that_nobody_takes_or_that_cannot_travel_are_named(stock: ProcessStock) -> None:
    missing = Session(stock, do=lambda: None)
    assert (await missing.ended()).reason is EndReason.INVALID_SPEC
    assert isinstance(missing.life.start_error, InvalidParameters)
    assert "do cannot be passed to the session's process" in str(missing.life.start_error)


async def test_figures_arrive_with_their_weight_and_stay_after_the_end(stock: ProcessStock) -> None:
    session = await Session(stock, do="talk").joined()
    await session.goes_on()
    agent = session.life.agent
    assert agent is not None
    figures = agent.metrics.to_dict()
    assert len(figures) == 25
    assert figures["llm_latency_ms__avg"] == 12.5
    assert figures["stt_latency_ms__avg"] is None
    assert agent.on_call_for() > 0
    assert agent.idle_for() == 0.0
    assert agent.id == "s1"
    await end(session)
    assert agent.on_call_for() == 0.0
    assert session.tokens > 0


async def test_the_agent_is_closed_over_there(stock: ProcessStock, journal: Path) -> None:
    session = await Session(stock, journal=str(journal)).joined()
    assert session.life.agent is not None
    await session.life.agent.close()
    assert (await session.ended()).reason is EndReason.CLOSE_REQUESTED
    joined, closed = journal.read_text().splitlines()
    assert closed == f"closed in {joined.split(' in ')[1].split(':')[0]}"
    assert session.kinds == ["Built", "Joined", "Ended"]


async def test_a_cancelled_task_ends_its_session(stock: ProcessStock) -> None:
    session = await Session(stock).joined()
    assert session.life.task is not None
    session.life.task.cancel()
    ending = await session.ended()
    assert (ending.reason, ending.message) == (EndReason.CLOSE_REQUESTED, "its task was cancelled")


async def test_a_cancelled_life_still_closes_its_agent(stock: ProcessStock, journal: Path) -> None:
    session = await Session(stock, journal=str(journal)).joined()
    session.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await session.running
    assert "closed in" in journal.read_text()


async def test_errors_of_the_agent_s_code_come_as_name_and_text_without_secrets(
    make_stock: MakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_TEST_API_KEY", "s3cr3t-value")
    async with make_stock() as stock:
        session = await Session(stock, do="tell the secret").built()
        assert session.life.task is not None
        with pytest.raises(AgentCodeError, match=r"^no entry with \[redacted\]$") as caught:
            await session.life.task
        assert type(caught.value).__name__ == "ValueError"
        assert (await session.ended()).message == "ValueError: no entry with [redacted]"


async def test_a_warm_up_that_fails_says_why_and_sessions_start_all_the_same(
    make_stock: MakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_TEST_API_KEY", "s3cr3t-value")
    async with make_stock(fails, warm=False) as stock:
        with pytest.raises(AgentCodeError, match=r"no model here, and no \[redacted\]"):
            await stock.warm_up()
        session = Session(stock)
        assert (await session.ended()).message == "ValueError: no model here, and no [redacted]"
        with pytest.raises(AgentCodeError, match="no model here"):
            raise session.life.start_error
    async with make_stock(fails_once, warm=False) as stock:
        with pytest.raises(AgentCodeError, match="no model yet"):
            await stock.warm_up()
        assert (await Session(stock, do="finish").ended()).reason is EndReason.FINISHED


async def test_a_warm_up_that_ends_its_process_is_an_error_too(make_stock: MakeStock) -> None:
    async with make_stock(dies, warm=False) as stock:
        with pytest.raises(Exception, match="the stock process exited with status 5"):
            await stock.warm_up()


async def test_a_warm_up_that_hangs_can_be_given_up(make_stock: MakeStock) -> None:
    async with make_stock(hangs, warm=False) as stock:
        warming = asyncio.create_task(stock.warm_up())
        await until(lambda: len(descendants(os.getpid())) > 0)
        warming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await warming
        session = Session(stock, limits=TimeLimits(start_timeout_seconds=1.0, leave_timeout_seconds=0.5))
        assert (await session.ended()).reason is EndReason.START_TIMEOUT


async def test_a_session_can_come_before_any_warm_up(make_stock: MakeStock) -> None:
    async with make_stock(warm=False) as stock:
        assert (await Session(stock, do="finish").ended()).reason is EndReason.FINISHED


async def test_the_death_of_the_stock_ends_no_session_and_a_new_one_is_started(
    make_stock: MakeStock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = tmp_path / "loads"
    monkeypatch.setenv("GREENROOM_TEST_LOADS", str(loads))
    async with make_stock() as stock:
        before = await Session(stock, "s1", do="talk").joined()
        crashing = await Session(stock, "s2", do="talk").joined()
        first = stock_process(stock)
        os.kill(first, signal.SIGKILL)
        await until(lambda: not is_running(first))
        many = [Session(stock, f"n{number}", do="talk") for number in range(5)]
        for session in many:
            await session.built()
        await before.goes_on()
        assert stock_process(stock) != first
        assert loads.read_text().split() == [str(first), str(stock_process(stock))], "the new one is warm"
        await crashing.goes_on()
        await end(before, crashing, *many)


async def test_how_a_session_ended_is_known_even_when_its_stock_is_dead(stock: ProcessStock, journal: Path) -> None:
    session = await Session(stock, do="talk", journal=str(journal)).joined()
    first = stock_process(stock)
    os.kill(first, signal.SIGKILL)
    await until(lambda: not is_running(first))
    os.kill(int(journal.read_text().split(" in ")[1].split(":")[0]), signal.SIGSEGV)
    assert (await session.ended()).message == "its process was ended by signal 11 (SIGSEGV)"


async def test_a_spare_process_that_dies_is_replaced(stock: ProcessStock) -> None:
    await until(lambda: len(stock._spares) == 2)
    first = {peer.pid for peer in stock._spares}
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len({peer.pid for peer in stock._spares} - first) == 2)
    assert (await Session(stock, do="finish").ended()).reason is EndReason.FINISHED


async def test_a_start_waits_for_a_process_no_longer_than_a_start_may_take(stock: ProcessStock) -> None:
    await until(lambda: len(stock._spares) == 2)
    process = stock_process(stock)
    os.kill(process, signal.SIGSTOP)
    served = [await Session(stock, f"s{number}").built() for number in range(2)]
    limits = TimeLimits(start_timeout_seconds=0.4, leave_timeout_seconds=0.5)
    ending = await Session(stock, "s2", limits=limits).ended()
    assert ending.reason is EndReason.START_TIMEOUT
    assert ending.message == "there was no process for it within 0.4 s"
    os.kill(process, signal.SIGCONT)
    await end(*served)


async def test_a_session_closed_before_it_has_a_process_needs_none(stock: ProcessStock) -> None:
    session = Session(stock)
    session.life.leave(EndReason.CLOSE_REQUESTED)
    assert (await session.ended()).reason is EndReason.CLOSE_REQUESTED
    assert session.kinds == ["Ended"]
    assert isinstance(session.life.start_error, StartAbandoned)


async def test_close_ends_what_still_lives(make_stock: MakeStock, journal: Path) -> None:
    async with make_stock() as stock:
        living = await Session(stock, "s1", journal=str(journal)).joined()
        stubborn = await Session(stock, "s2", do="spin on leaving").joined()
        await stock.close()
        assert (await living.ended()).reason is EndReason.DRAINED
        assert (await stubborn.ended()).reason is EndReason.DRAINED
        assert "closed in" in journal.read_text()
        assert (await Session(stock, "s3", do="finish").ended()).reason is EndReason.FINISHED, "it can begin again"


async def test_the_kind_of_event_loop_is_the_launcher_s() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def story() -> EndReason:
        stock = ProcessStock(RecipeSource(agents.create_agent, agents.join_call), SystemClock())
        try:
            await stock.warm_up()
            return (await Session(stock, do="finish").ended()).reason
        finally:
            await stock.close()

    def run() -> EndReason:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(story())

    assert await asyncio.to_thread(run) is EndReason.FINISHED


@pytest.mark.parametrize("role", ["create_agent", "join_call"])
def test_functions_that_have_no_name_elsewhere_are_refused_with_the_way_out(role: str) -> None:
    functions = {"create_agent": agents.create_agent, "join_call": agents.join_call, role: lambda: None}
    with pytest.raises(ValueError, match=rf"{role}: isolation=.*<lambda>.*define it with `def` at the top level"):
        RecipeSource(**functions)
