"""One session's life: which notices, in which order, with which reason, and what is never left behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.runtime.agents import AgentFile, ForeignAgent, OwnAgent
from tests.unit.runtime.stories import story

from greenroom.life import SessionLife
from greenroom.limits import TimeLimits
from greenroom.notices import Assignment, Built, Ended, Joined, LeavingSlowly, Notice
from greenroom.recipe import Recipe
from greenroom.redaction import REDACTED, described, traced
from greenroom_core.model.reasons import EndReason


class Host:
    """Keeps the notices of one life."""

    def __init__(self, file: AgentFile, limits: TimeLimits | None = None, **parameters: object) -> None:
        self.notices: list[Notice] = []
        assignment = Assignment("s1", "one", "default", parameters, limits or TimeLimits())
        self.life = SessionLife(assignment, Recipe(file.create_agent, file.join_call), file.clock, self.notices.append)

    @property
    def kinds(self) -> list[type]:
        return [type(notice) for notice in self.notices]

    async def run_and_leave_after(self, seconds: float, reason: EndReason = EndReason.CLOSE_REQUESTED) -> Ended:
        asyncio.get_running_loop().call_later(seconds, self.life.leave, reason)
        return await self.life.run()


async def joins_and_returns(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.sleep(10)


async def never_joins(agent: ForeignAgent) -> None:
    await asyncio.sleep(10)


async def returns_quickly(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.sleep(0.001)


async def raises(agent: ForeignAgent) -> None:
    raise ValueError("bad line")


async def raises_late(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.sleep(1)
    raise ValueError("bad line")


async def cancels_itself(agent: ForeignAgent) -> None:
    raise asyncio.CancelledError


async def says_goodbye(agent: ForeignAgent) -> None:
    agent.join()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.sleep(0.5)


async def takes_its_time(agent: ForeignAgent) -> None:
    agent.join()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(5)


async def fails_to_leave(agent: ForeignAgent) -> None:
    agent.join()
    try:
        await asyncio.Event().wait()
    finally:
        raise OSError("socket")


async def waits(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.Event().wait()


@pytest.mark.parametrize("make", [OwnAgent, ForeignAgent])
@pytest.mark.parametrize(
    ("call", "reason", "message", "kinds"),
    [
        (joins_and_returns, EndReason.FINISHED, "", [Built, Joined, Ended]),
        (never_joins, EndReason.FINISHED, "", [Built, Ended]),
        (returns_quickly, EndReason.FINISHED, "", [Built, Joined, Ended]),
        (raises, EndReason.AGENT_ERROR, "ValueError: bad line", [Built, Ended]),
        (raises_late, EndReason.AGENT_ERROR, "ValueError: bad line", [Built, Joined, Ended]),
        (
            cancels_itself,
            EndReason.AGENT_ERROR,
            "CancelledError: join_call was cancelled from inside",
            [Built, Ended],
        ),
        (waits, EndReason.CLOSE_REQUESTED, "", [Built, Joined, Ended]),
        (says_goodbye, EndReason.CLOSE_REQUESTED, "", [Built, Joined, Ended]),
        (takes_its_time, EndReason.CLOSE_REQUESTED, "", [Built, Joined, LeavingSlowly, Ended]),
        (fails_to_leave, EndReason.CLOSE_REQUESTED, "while leaving: OSError: socket", [Built, Joined, Ended]),
    ],
)
@story
async def test_how_a_call_ends(make, call, reason, message, kinds):
    host = Host(file := AgentFile(VirtualClock(), make=make, call=call))
    ending = await host.run_and_leave_after(20)
    assert (ending.reason, ending.message) == (reason, message)
    assert host.kinds == kinds
    assert host.notices[-1] is ending
    assert file.agents[0].closes == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@story
async def test_a_foreign_agent_s_join_is_noticed_soon():
    async def call(agent: ForeignAgent) -> None:
        await asyncio.sleep(8)
        agent.join()
        await asyncio.Event().wait()

    host = Host(file := AgentFile(VirtualClock(), make=ForeignAgent, call=call))
    begun = file.clock.wall()
    await host.run_and_leave_after(100)
    joined = next(notice for notice in host.notices if isinstance(notice, Joined))
    assert 8 <= (joined.at - begun).total_seconds() <= 8.9


@story
async def test_an_own_agent_bears_the_session_s_name_and_its_join_is_noticed_at_once():
    async def call(agent: OwnAgent) -> None:
        await asyncio.sleep(8)
        agent.join()
        await asyncio.Event().wait()

    host = Host(file := AgentFile(VirtualClock(), call=call))
    begun = file.clock.wall()
    await host.run_and_leave_after(100)
    assert file.agents[0].id == "s1"
    joined = next(notice for notice in host.notices if isinstance(notice, Joined))
    assert (joined.at - begun).total_seconds() == 8


@story
async def test_the_first_reason_to_leave_stays():
    host = Host(AgentFile(VirtualClock(), call=takes_its_time))
    loop = asyncio.get_running_loop()
    loop.call_later(2, host.life.leave, EndReason.DELETED)
    ending = await host.run_and_leave_after(1, EndReason.DRAINED)
    assert ending.reason is EndReason.DRAINED


@story
async def test_closed_before_it_began_nothing_is_built():
    host = Host(file := AgentFile(VirtualClock()))
    host.life.leave(EndReason.DELETED)
    ending = await host.life.run()
    assert (ending.reason, host.kinds, file.created) == (EndReason.DELETED, [Ended], [])


@story
async def test_closed_while_it_is_built():
    file = AgentFile(VirtualClock())
    file.build = lambda: asyncio.sleep(30)
    host = Host(file)
    begun = file.clock.boot()
    ending = await host.run_and_leave_after(1)
    assert (ending.reason, host.kinds) == (EndReason.CLOSE_REQUESTED, [Ended])
    assert file.clock.boot() - begun == pytest.approx(1)


@story
async def test_an_agent_that_comes_in_spite_of_the_close_is_closed():
    file = AgentFile(VirtualClock())

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    file.build = stubborn
    host = Host(file)
    ending = await host.run_and_leave_after(1)
    assert (ending.reason, host.kinds) == (EndReason.CLOSE_REQUESTED, [Ended])
    assert [agent.closes for agent in file.agents] == [1]


@story
async def test_a_build_that_raises():
    file = AgentFile(VirtualClock())

    async def explode() -> None:
        raise KeyError("voice")

    file.build = explode
    host = Host(file)
    ending = await host.life.run()
    assert (ending.reason, ending.message, host.kinds) == (EndReason.AGENT_ERROR, "KeyError: 'voice'", [Ended])


@story
async def test_a_create_agent_that_returns_nothing():
    host = Host(AgentFile(VirtualClock(), make=lambda _: None))
    ending = await host.life.run()
    assert ending.reason is EndReason.AGENT_ERROR
    assert ending.message == "TypeError: create_agent returned None: it must return the agent"


@story
async def test_a_parameter_that_nobody_takes():
    async def create_agent() -> None: ...

    async def join_call(agent: object, call_type: str, call_id: str) -> None: ...

    file = AgentFile(VirtualClock())
    host = Host(file, mood="calm")
    host.life._recipe = Recipe(create_agent, join_call)
    ending = await host.life.run()
    assert ending.reason is EndReason.INVALID_SPEC
    assert ending.message == "neither create_agent nor join_call takes the parameter mood"


# --- what will not end ---


class Deaf:
    """Goes on whatever is cancelled, until `released`."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self, *_: object) -> None:
        while not self.released.is_set():
            with suppress(asyncio.CancelledError):
                await self.released.wait()


@story
async def test_a_join_call_that_ignores_its_cancellation_is_no_ghost():
    file = AgentFile(VirtualClock(), call=(deaf := Deaf()))
    host = Host(file)
    begun = file.clock.boot()
    ending = await host.run_and_leave_after(10)
    assert file.clock.boot() - begun == pytest.approx(40)
    assert ending.reason is EndReason.CLOSE_REQUESTED
    assert ending.message == "join_call did not end within 30 s of its cancellation and was given up"
    assert host.kinds == [Built, LeavingSlowly, Ended]
    assert file.agents[0].closes == 1
    assert [task.done() for task in host.life.lingering] == [False]
    deaf.released.set()
    await asyncio.wait(host.life.lingering)


@story
async def test_a_join_call_that_missed_its_cancellation_is_told_again():
    async def absent_minded(agent: ForeignAgent) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    host = Host(AgentFile(VirtualClock(), call=absent_minded))
    await host.run_and_leave_after(10)
    await asyncio.wait(host.life.lingering, timeout=1)
    assert [task.cancelled() for task in host.life.lingering] == [True]


@story
async def test_a_create_agent_that_ignores_its_cancellation_is_given_up_and_its_agent_closed():
    file = AgentFile(VirtualClock())
    file.build = deaf = Deaf()
    host = Host(file)
    begun = file.clock.boot()
    ending = await host.life.run()
    assert file.clock.boot() - begun == pytest.approx(70)
    assert ending.reason is EndReason.START_TIMEOUT
    assert "create_agent did not end within 10 s" in ending.message
    deaf.released.set()
    await asyncio.wait(host.life.lingering)
    assert [agent.closes for agent in file.agents] == [1]


@story
async def test_an_agent_whose_close_hangs_is_given_up():
    def make(clock: VirtualClock) -> OwnAgent:
        agent = OwnAgent(clock)
        agent.close_seconds = 1_000
        return agent

    file = AgentFile(VirtualClock(), make=make)
    host = Host(file, TimeLimits(leave_timeout_seconds=7))
    begun = file.clock.boot()
    ending = await host.run_and_leave_after(10)
    assert file.clock.boot() - begun == pytest.approx(17)
    assert ending.reason is EndReason.CLOSE_REQUESTED
    await asyncio.wait(host.life.lingering)


@story
async def test_a_close_that_raises_changes_nothing():
    class Broken(OwnAgent):
        async def close(self) -> None:
            await super().close()
            raise OSError("already gone")

    host = Host(AgentFile(VirtualClock(), make=Broken, call=joins_and_returns))
    ending = await host.life.run()
    assert (ending.reason, ending.message) == (EndReason.FINISHED, "")


@story
async def test_a_host_that_is_cancelled_still_closes_the_agent():
    host = Host(file := AgentFile(VirtualClock()))
    living = asyncio.create_task(host.life.run())
    await asyncio.sleep(1)
    living.cancel()
    await asyncio.wait([living])
    assert living.cancelled()
    assert file.agents[0].closes == 1
    assert host.kinds == [Built, Joined]
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- what is told of an error ---

ENVIRONMENT = {
    "ELEVEN_API_KEY": "sk-1234567890",
    "db_password": "hunter22",
    "Session_Token": "sk-1234567890-longer",
    "EMPTY_SECRET": "",
    "SHORT_KEY": "abc",
    "HOME": "/root",
}


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad voice"), "ValueError: bad voice"),
        (ValueError(), "ValueError"),
        (ValueError("401 for sk-1234567890"), f"ValueError: 401 for {REDACTED}"),
        (ValueError("sk-1234567890-longer"), f"ValueError: {REDACTED}"),
        (ValueError("hunter22@/root"), f"ValueError: {REDACTED}@/root"),
        (ValueError("abc"), "ValueError: abc"),
        (Unreadable(), "Unreadable: (its message cannot be read)"),
    ],
)
def test_an_error_is_described_without_secrets(error, text):
    assert described(error, ENVIRONMENT) == text


@pytest.mark.parametrize("before", range(1000, 1030))
def test_a_description_is_bounded_and_shows_no_half_of_a_secret(before):
    text = described(ValueError("x" * before + "hunter22" + "y" * 5_000), ENVIRONMENT)
    assert len(text) <= 1024
    assert "hunt" not in text


def test_a_traceback_for_the_log_shows_no_secret_either():
    with pytest.raises(ValueError) as caught:
        raise ValueError(ENVIRONMENT["db_password"])
    text = traced(caught.value, ENVIRONMENT)
    assert "hunter22" not in text
    assert "test_life.py" in text
