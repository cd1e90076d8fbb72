"""The launcher's own host: drain, starts that nobody waits for, several launchers on one store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.launcher.test_limits import launcher_of
from tests.unit.runtime.agents import AgentFile, ForeignAgent
from tests.unit.runtime.stories import story

from greenroom.errors import (
    MaxConcurrentSessionsExceeded,
    MaxSessionsPerCallExceeded,
    RegistryUnavailable,
    StartAbandoned,
)
from greenroom.registry import InMemorySessionKVStore, SessionRegistry
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import SessionLimits


def registry_on(store: InMemorySessionKVStore, file: AgentFile) -> SessionRegistry:
    return SessionRegistry(store, clock=file.clock)


async def returns_after_ten_seconds(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.sleep(10)


# --- drain ---


@story
async def test_a_drained_launcher_lets_its_sessions_finish_and_takes_no_new_one():
    file = AgentFile(VirtualClock(), call=returns_after_ten_seconds)
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        draining = asyncio.create_task(launcher.drain(60))
        await asyncio.sleep(1)
        assert (launcher.draining, launcher.ready, session.finished) == (True, False, False)
        with pytest.raises(StartAbandoned, match="is being stopped"):
            await launcher.start_session("two")
        assert await draining
        assert session.agent.closes == 1
        [ended] = await launcher.list_sessions()
        assert (ended.phase, ended.reason) == (Phase.CLOSED, EndReason.FINISHED)
    async with launcher:
        assert launcher.ready, "a stopped launcher may be started again"


@story
async def test_what_has_not_finished_in_time_is_closed_and_says_so():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:
        await launcher.start_session("one")
        begun = file.clock.boot()
        assert not await launcher.drain(5)
        assert file.clock.boot() - begun == pytest.approx(5, abs=0.1)
        [ended] = await launcher.list_sessions()
        assert (ended.reason, ended.message) == (EndReason.DRAINED, "the launcher was drained")


# --- starts that nobody waits for ---


@story
async def test_a_begun_session_is_known_by_its_id_before_its_agent_is_built():
    file = AgentFile(VirtualClock())
    file.build = lambda: asyncio.sleep(3)
    launcher = launcher_of(file)
    async with launcher:
        begun = await launcher.begin_session("one", parameters={})
        assert begun.phase is Phase.SCHEDULED
        seen = await launcher.get_session_info("one", begun.session_id)
        assert seen is not None
        assert (seen.phase, launcher.sessions) == (Phase.SCHEDULED, ())
        await asyncio.sleep(3.1)
        seen = await launcher.get_session_info("one", begun.session_id)
        assert seen is not None
        assert seen.phase is Phase.RUNNING
        assert [session.call_id for session in launcher.sessions] == ["one"]


@story
async def test_an_agent_with_an_id_of_its_own_is_found_by_both_ids():
    class Stubborn(ForeignAgent):
        """Neither takes a name nor keeps its own where one could be put."""

    file = AgentFile(VirtualClock(), make=Stubborn)
    async with launcher_of(file) as launcher:
        begun = await launcher.begin_session("one")
        await asyncio.sleep(1)
        [session] = launcher.sessions
        assert session.id == session.agent.id != begun.session_id
        for session_id in (session.id, begun.session_id):
            seen = await launcher.get_session_info("one", session_id)
            assert seen is not None
            assert seen.session_id == session.id
        assert [info.session_id for info in await launcher.list_sessions("one")] == [session.id]
        assert await launcher.request_close_session("one", begun.session_id)
        await asyncio.sleep(1)
        assert launcher.sessions == ()
        assert await launcher.get_session_info("one", session.id) is None
        assert await launcher.registry.get_for_call("one") == []


@story
async def test_an_agent_of_vision_agents_takes_the_session_s_id():
    class Theirs(ForeignAgent):
        def __init__(self, clock: VirtualClock) -> None:
            super().__init__(clock)
            self._id = self.id

        def __getattribute__(self, name: str) -> object:
            return super().__getattribute__("_id" if name == "id" and "_id" in self.__dict__ else name)

    file = AgentFile(VirtualClock(), make=Theirs)
    async with launcher_of(file) as launcher:
        begun = await launcher.begin_session("one")
        await asyncio.sleep(1)
        assert [session.agent.id for session in launcher.sessions] == [begun.session_id]


@story
async def test_a_failed_start_that_nobody_waited_for_is_listed_with_its_reason():
    file = AgentFile(VirtualClock())
    async with launcher_of(file) as launcher:

        async def explode() -> None:
            raise ValueError("no key")

        file.build = explode
        begun = await launcher.begin_session("one")
        await asyncio.sleep(1)
        [failed] = await launcher.list_sessions()
        assert (failed.session_id, failed.phase, failed.reason) == (
            begun.session_id,
            Phase.FAILED,
            EndReason.AGENT_ERROR,
        )
        assert failed.message == "ValueError: no key"
        assert not await launcher.request_close_session("one", begun.session_id)


@story
async def test_a_session_s_own_limits_go_before_the_launcher_s():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, max_session_duration_seconds=100) as launcher:
        short = await launcher.start_session("one", limits=SessionLimits(max_duration_seconds=5))
        long = await launcher.start_session("one")
        await asyncio.sleep(6)
        assert (short.finished, long.finished) == (True, False)
        await asyncio.sleep(95)
        assert long.finished


# --- several launchers on one store ---


@story
async def test_limits_hold_across_launchers_on_one_store():
    file = AgentFile(VirtualClock())
    store = InMemorySessionKVStore(clock=file.clock)
    file.build = lambda: asyncio.sleep(1)
    launchers = [
        launcher_of(file, registry=registry_on(store, file), max_concurrent_sessions=5, max_sessions_per_call=2)
        for _ in range(3)
    ]
    for launcher in launchers:
        await launcher.start()
    starts = [launchers[n % 3].start_session(f"call-{n // 4}") for n in range(24)]
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    refused = [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(refused) == 19
    assert set(refused) == {MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded}
    living = await launchers[0].list_sessions()
    assert len(living) == 5
    assert max(sum(info.call_id == call for info in living) for call in {info.call_id for info in living}) <= 2
    owner = next(launcher for launcher in launchers if launcher.sessions)
    gone = owner.sessions[0]
    other = next(launcher for launcher in launchers if launcher is not owner)
    assert await other.request_close_session(gone.call_id, gone.id)
    await asyncio.sleep(0.01)
    assert gone.finished, "the owner is woken, not asked at its next look"
    await other.start_session("call-9")
    for launcher in launchers:
        await launcher.stop()


@story
async def test_without_an_answer_a_limited_start_is_refused_and_another_is_not():
    class Away(InMemorySessionKVStore):
        async def put_within(self, *args: object, **kwargs: object) -> None:
            raise ConnectionError("store is away")

    file = AgentFile(VirtualClock())
    registry = SessionRegistry(Away(clock=file.clock), clock=file.clock)
    async with launcher_of(file, registry=registry, max_sessions_per_call=1) as launcher:
        with pytest.raises(RegistryUnavailable, match="cannot say whether there is room: ConnectionError: store"):
            await launcher.start_session("one")
        assert len(file.agents) == 1, "the warm-up's: nothing was built for a start that was refused"
    registry = SessionRegistry(Away(clock=file.clock), clock=file.clock)
    async with launcher_of(file, registry=registry) as launcher:
        session = await launcher.start_session("one")
        assert not session.finished


@story
async def test_a_place_is_given_back_when_the_agent_has_left_and_not_before():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, max_sessions_per_call=1) as launcher:
        first = await launcher.start_session("one")
        first.agent.close_seconds = 4.0
        await launcher.close_session(first.id)
        await asyncio.sleep(3)
        with pytest.raises(MaxSessionsPerCallExceeded):
            await launcher.start_session("one")
        [info] = await launcher.list_sessions()
        assert info.phase is Phase.CLOSING
        await asyncio.sleep(2)
        await launcher.start_session("one")


@story
async def test_a_call_that_fails_after_its_start_is_listed_with_its_reason():
    async def loses_its_provider(agent: ForeignAgent) -> None:
        agent.join()
        await asyncio.sleep(1)
        raise ConnectionError("the provider hung up")

    file = AgentFile(VirtualClock(), call=loses_its_provider)
    async with launcher_of(file) as launcher:
        session = await launcher.start_session("one")
        await asyncio.sleep(2)
        [failed] = await launcher.list_sessions("one")
        assert (failed.session_id, failed.phase, failed.reason, failed.message) == (
            session.id,
            Phase.FAILED,
            EndReason.AGENT_ERROR,
            "ConnectionError: the provider hung up",
        )
        assert session.agent.closes == 1


@story
async def test_a_thousand_sessions_in_one_launcher():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, maintenance_interval=5.0) as launcher:
        sessions = await asyncio.gather(*(launcher.start_session(f"call-{n % 100}") for n in range(1_000)))
        tasks = len(asyncio.all_tasks())
        assert tasks < 1_010, "a session that waits in its call is one task"
        await asyncio.sleep(60)
        assert len(launcher.sessions) == 1_000
        assert len(await launcher.list_sessions("call-7")) == 10
        for session in sessions:
            session.agent.alone()
        await asyncio.sleep(60.1)
        assert launcher.sessions == ()
        assert {session.agent.closes for session in sessions} == {1}
    assert asyncio.all_tasks() == {asyncio.current_task()}


@story
async def test_a_start_that_waits_for_its_place_does_not_begin_after_a_stop():
    class Slow(InMemorySessionKVStore):
        async def put_within(self, *args: Any, **kwargs: Any) -> str | None:
            await asyncio.sleep(2)
            return await super().put_within(*args, **kwargs)

    file = AgentFile(VirtualClock())
    registry = SessionRegistry(Slow(clock=file.clock), clock=file.clock)
    launcher = launcher_of(file, registry=registry, max_sessions_per_call=1)
    await launcher.start()
    start = asyncio.create_task(launcher.start_session("one"))
    await asyncio.sleep(1)
    await launcher.stop()
    assert not start.done(), "the store has yet to answer"
    with pytest.raises(StartAbandoned):
        await start
    assert launcher.sessions == ()
    assert len(file.agents) == 1, "the warm-up's alone"
