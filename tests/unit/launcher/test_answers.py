"""What an edge answers to an offer, on its way through a session's life and the launcher's own host."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.launcher.test_life import Host
from tests.unit.launcher.test_limits import launcher_of
from tests.unit.runtime.agents import AgentFile, AnsweringAgent, OwnAgent
from tests.unit.runtime.stories import story

from greenroom.latch import Latch
from greenroom.notices import Answered, Built, Ended, Joined
from greenroom.registry import InMemorySessionKVStore, SessionRegistry
from greenroom_core.model.session import ANSWER_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.launcher import AgentLauncher

LONGEST = "x" * ANSWER_MAX_LENGTH


def file_of(call: Callable[[AnsweringAgent], Any] | None = None) -> AgentFile:
    file = AgentFile(VirtualClock(), make=AnsweringAgent)
    if call is not None:
        file.call = call
    return file


async def is_here_for_a_while(agent: OwnAgent) -> None:
    agent.join()
    await asyncio.sleep(10)


# --- a life ---


@pytest.mark.parametrize("text", ["v=0\r\n", "ü", LONGEST])
@story
async def test_an_answer_is_told_once_between_built_and_joined(text):
    async def call(agent: AnsweringAgent) -> None:
        await asyncio.sleep(0.5)
        agent.answer(text)
        agent.answer("another")
        await is_here_for_a_while(agent)

    host = Host(file := file_of(call))
    begun = file.clock.wall()
    await host.life.run()
    assert host.kinds == [Built, Answered, Joined, Ended]
    told = host.notices[1]
    assert isinstance(told, Answered)
    assert (told.answer, (told.at - begun).total_seconds()) == (text, pytest.approx(0.5))


@pytest.mark.parametrize("text", ["", LONGEST + "x", "\ud800", None, b"v=0"])
@story
async def test_what_can_stand_in_no_status_is_passed_over_and_the_session_goes_on(text):
    async def call(agent: AnsweringAgent) -> None:
        agent.answer(text)
        await is_here_for_a_while(agent)

    host = Host(file_of(call))
    await host.life.run()
    assert host.kinds == [Built, Joined, Ended]


@story
async def test_an_answer_that_was_there_before_anybody_asked_is_told():
    class Early(OwnAgent):
        def on_answer(self, tell):
            tell("v=0")

    host = Host(AgentFile(VirtualClock(), make=Early, call=is_here_for_a_while))
    await host.life.run()
    assert host.kinds == [Built, Answered, Joined, Ended]


@story
async def test_after_the_end_nothing_is_told():
    host = Host(file := file_of(is_here_for_a_while))
    await host.life.run()
    file.agents[0].answer("v=0")
    assert host.kinds == [Built, Joined, Ended]


# --- the launcher's own host ---


def asked(launcher: AgentLauncher, session_id: str, seconds: float, call_id: str = "one") -> asyncio.Task[str | None]:
    return asyncio.create_task(launcher.get_session_answer(call_id, session_id, seconds))


@story
async def test_those_who_wait_have_it_in_the_moment_it_is_there():
    file = file_of()
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        waiting = [asked(launcher, session.id, 30) for _ in range(3)]
        await file.clock.sleep(2)
        assert not any(task.done() for task in waiting)
        at = file.clock.boot()
        file.agents[-1].answer("v=0")
        assert await asyncio.gather(*waiting) == ["v=0"] * 3
        assert file.clock.boot() == at
        assert await launcher.get_session_answer("one", session.id) == "v=0"
        assert await launcher.get_session_answer("another", session.id) is None
        assert await launcher.get_session_answer("one", "nobody", 5) is None
        info = await launcher.get_session_info("one", session.id)
        assert info is not None
        assert info.answer == "v=0"


@story
async def test_one_that_does_not_come_in_time_is_empty():
    file = file_of()
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        begun = file.clock.boot()
        assert await launcher.get_session_answer("one", session.id, 7) == ""
        assert file.clock.boot() - begun == pytest.approx(7)
        assert await launcher.get_session_answer("one", session.id) == ""


@story
async def test_a_latch_forgets_who_waits_no_longer():
    latch = Latch()
    for _ in range(3):
        waiting = asyncio.create_task(latch.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((waiting,))
    assert latch._waiters == []
    waiting = asyncio.create_task(latch.wait())
    await asyncio.sleep(0)
    latch.set()
    await waiting


@story
async def test_the_end_of_the_session_ends_the_wait_at_once_and_its_answer_is_not_kept():
    file = file_of()
    async with launcher_of(file) as launcher:
        mute = await launcher.start_session("one")
        waiting = asked(launcher, mute.id, 30)
        await file.clock.sleep(1)
        at = file.clock.boot()
        await launcher.close_session(mute.id, wait=True)
        assert await waiting is None
        assert file.clock.boot() == at
        session = await launcher.start_session("one")
        file.agents[-1].answer("v=0")
        await launcher.close_session(session.id, wait=True)
        assert await launcher.get_session_answer("one", session.id, 5) is None
        assert [info.answer for info in await launcher.list_sessions()] == ["", ""]


@story
async def test_one_that_waits_for_its_agent_can_be_waited_for():
    file = file_of()
    file.build = lambda: asyncio.sleep(3)
    async with launcher_of(file) as launcher:
        begun = await launcher.begin_session("one")
        waiting = asked(launcher, begun.session_id, 30)
        await file.clock.sleep(4)
        file.agents[-1].answer("v=0")
        assert await waiting == "v=0"


# --- on a store that several nodes share ---


class Shared(InMemorySessionKVStore):
    """Outlives the registries that stand on it."""

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("limits", [{}, {"max_sessions_per_call": 5}])
@story
async def test_another_node_finds_it_in_the_record(limits):
    file, store = file_of(), Shared()
    one = launcher_of(file, registry=SessionRegistry(store, clock=file.clock), **limits)
    two = launcher_of(file, registry=SessionRegistry(store, clock=file.clock))
    async with one, two:
        session = await one.start_session("one")
        waiting = asked(two, session.id, 30)
        await file.clock.sleep(5)
        file.agents[-1].answer("v=0")
        at = file.clock.boot()
        assert await waiting == "v=0"
        assert file.clock.boot() - at < 0.6
        await file.clock.sleep(20)
        assert await two.get_session_answer("one", session.id) == "v=0", "refreshed with the rest of its record"
        assert await two.get_session_answer("other", session.id, 5) is None
        mute = await one.start_session("one")
        begun = file.clock.boot()
        assert await two.get_session_answer("one", mute.id, 3) == ""
        assert file.clock.boot() - begun == pytest.approx(3)
        waiting = asked(two, mute.id, 30)
        await file.clock.sleep(1)
        await one.close_session(mute.id, wait=True)
        at = file.clock.boot()
        assert await waiting is None
        assert file.clock.boot() - at < 0.6
        await one.close_session(session.id, wait=True)
        assert {info.answer for info in await two.list_sessions()} == {""}


@story
async def test_the_note_of_a_lost_node_holds_no_answer():
    file, store = file_of(), Shared()
    one = launcher_of(file, registry=SessionRegistry(store, clock=file.clock))
    two = launcher_of(file, registry=SessionRegistry(store, clock=file.clock))
    async with two, one:
        session = await one.start_session("one")
        file.agents[-1].answer("v=0")
        await file.clock.sleep(1)
        await store.delete(await store.keys("sessions/"))  # as the store does when its owner is silent
        [lost] = await two.list_sessions()
        assert (lost.session_id, lost.reason, lost.answer) == (session.id, "PodLost", "")
