"""The launcher's limits: how many at once, how long, how long alone."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.runtime.agents import AgentFile, ForeignAgent, OwnAgent
from tests.unit.runtime.stories import story

from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded, SessionLimitExceeded
from greenroom.launcher import AgentLauncher
from greenroom.limits import TimeLimits
from greenroom_core.model.reasons import EndReason


def launcher_of(file: AgentFile, **settings: object) -> AgentLauncher:
    return AgentLauncher(file.create_agent, file.join_call, clock=file.clock, **settings)  # type: ignore[arg-type]


async def seconds_until_ended(session) -> float:
    clock = VirtualClock()
    begun = clock.boot()
    await asyncio.wait([session.task])
    return clock.boot() - begun


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"agent_idle_timeout": -0.1}, "agent_idle_timeout must be >= 0"),
        ({"max_concurrent_sessions": 0}, "max_concurrent_sessions must be > 0 or None"),
        ({"max_concurrent_sessions": -1}, "max_concurrent_sessions must be > 0 or None"),
        ({"max_sessions_per_call": 0}, "max_sessions_per_call must be > 0 or None"),
        ({"max_session_duration_seconds": 0}, "max_session_duration_seconds must be > 0 or None"),
        ({"maintenance_interval": 0}, "maintenance_interval must be > 0"),
    ],
)
def test_a_limit_that_cannot_hold_is_refused(settings, text):
    with pytest.raises(ValueError) as caught:
        AgentLauncher(AgentFile.create_agent, AgentFile.join_call, **settings)
    assert str(caught.value) == text


def test_the_documented_defaults():
    launcher = AgentLauncher(AgentFile.create_agent, AgentFile.join_call)
    assert launcher.time_limits == TimeLimits(60.0, 60.0, None, 30.0, 5.0)
    assert (launcher.running, launcher.warmed_up, launcher.ready) == (False, False, False)


# --- how many ---


@story
async def test_racing_starts_never_pass_the_limit_per_call():
    """The place is taken before the agent is built, so that a slow create_agent opens no gap."""
    file = AgentFile(VirtualClock())
    file.build = lambda: asyncio.sleep(5)
    async with launcher_of(file, max_sessions_per_call=2) as launcher:
        file.created.clear()
        starts = [launcher.start_session("one"), *(launcher.start_session("one") for _ in range(9))]
        results = await asyncio.gather(*starts, launcher.start_session("other"), return_exceptions=True)
        refused = [item for item in results if isinstance(item, MaxSessionsPerCallExceeded)]
        assert len(refused) == 8
        assert len(file.created) == 3
        assert str(refused[0]) == "Reached maximum sessions per call of 2"
        assert isinstance(refused[0], SessionLimitExceeded)


@story
async def test_racing_starts_never_pass_the_limit_of_the_process():
    file = AgentFile(VirtualClock())
    file.build = lambda: asyncio.sleep(5)
    async with launcher_of(file, max_concurrent_sessions=3) as launcher:
        starts = [launcher.start_session(f"call-{number}") for number in range(10)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        refused = [item for item in results if isinstance(item, MaxConcurrentSessionsExceeded)]
        assert len(refused) == 7
        assert str(refused[0]) == "Reached maximum concurrent sessions of 3"


@story
async def test_a_start_that_fails_gives_its_place_back():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, max_concurrent_sessions=1) as launcher:

        async def explode() -> None:
            raise ValueError("no")

        file.build = explode
        with pytest.raises(ValueError, match="no"):
            await launcher.start_session("one")
        file.build = None
        await launcher.start_session("one")


@story
async def test_a_session_counts_until_its_agent_has_left():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, max_sessions_per_call=1) as launcher:
        session = await launcher.start_session("one")
        session.agent.close_seconds = 3.0
        assert await launcher.close_session(session.id)
        await asyncio.sleep(2)
        with pytest.raises(MaxSessionsPerCallExceeded):
            await launcher.start_session("one")
        assert launcher.get_session(session.id) is session
        await asyncio.sleep(2)
        await launcher.start_session("one")
        assert launcher.get_session(session.id) is None


# --- how long ---


@pytest.mark.parametrize("make", [OwnAgent, ForeignAgent])
@pytest.mark.parametrize(("timeout", "alone_after"), [(60.0, 0.0), (60.0, 100.0), (7.5, 33.3), (0.5, 0.0)])
@story
async def test_an_agent_left_alone_leaves_exactly_at_the_idle_timeout(make, timeout, alone_after):
    file = AgentFile(VirtualClock(), make=make)
    async with launcher_of(file, agent_idle_timeout=timeout) as launcher:
        session = await launcher.start_session("one")
        asyncio.get_running_loop().call_later(alone_after, session.agent.alone)
        assert await seconds_until_ended(session) == pytest.approx(alone_after + timeout, abs=0.01)


@story
async def test_company_resets_the_idle_time():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, agent_idle_timeout=10) as launcher:
        session = await launcher.start_session("one")
        loop = asyncio.get_running_loop()
        session.agent.alone()
        loop.call_later(9, session.agent.accompanied)
        loop.call_later(100, session.agent.alone)
        assert await seconds_until_ended(session) == pytest.approx(110, abs=0.01)


@story
async def test_an_idle_timeout_of_0_is_none():
    file = AgentFile(VirtualClock())
    async with launcher_of(file, agent_idle_timeout=0) as launcher:
        session = await launcher.start_session("one")
        session.agent.alone()
        await asyncio.sleep(10_000)
        assert not session.finished


@pytest.mark.parametrize("joins", [True, False])
@story
async def test_the_longest_duration_counts_from_the_start_joined_or_not(joins):
    file = AgentFile(VirtualClock())

    async def call(agent: OwnAgent) -> None:
        if joins:
            await asyncio.sleep(40)
            agent.join()
        await asyncio.Event().wait()

    file.call = call
    async with launcher_of(file, max_session_duration_seconds=100) as launcher:
        session = await launcher.start_session("one")
        assert await seconds_until_ended(session) == pytest.approx(100, abs=0.01)
    assert session.agent.closes == 1


@story
async def test_an_agent_that_cannot_answer_hurts_only_itself():
    """Its own longest duration still holds, and the others are looked after."""
    file = AgentFile(VirtualClock())
    async with launcher_of(file, agent_idle_timeout=10, max_session_duration_seconds=50) as launcher:
        broken, healthy = await launcher.start_session("one"), await launcher.start_session("two")

        def explode() -> float:
            raise RuntimeError("no idea")

        broken.agent.idle_for = broken.agent.on_call_for = explode
        healthy.agent.alone()
        broken_seconds, healthy_seconds = await asyncio.gather(
            seconds_until_ended(broken), seconds_until_ended(healthy)
        )
        assert broken_seconds == pytest.approx(50, abs=0.01)
        assert healthy_seconds == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize(
    ("elapsed", "idle_for", "on_call_for", "reason"),
    [
        (0, 0, 0, None),
        (99.9, 9.9, 99.9, None),
        (10, 10, 10, EndReason.IDLE),
        (100, 0, 0, EndReason.MAX_DURATION),
        (5, 0, 100, EndReason.MAX_DURATION),
        (100, 10, 100, EndReason.IDLE),
    ],
)
def test_which_limit_is_overstepped(elapsed, idle_for, on_call_for, reason):
    limits = TimeLimits(idle_timeout_seconds=10, max_duration_seconds=100)
    assert limits.overstepped(elapsed=elapsed, idle_for=idle_for, on_call_for=on_call_for) is reason


@pytest.mark.parametrize(
    ("limits", "elapsed", "idle_for", "seconds"),
    [
        (TimeLimits(), 0, 0, 5),
        (TimeLimits(), 0, 57, 3),
        (TimeLimits(idle_timeout_seconds=0), 0, 57, 5),
        (TimeLimits(max_duration_seconds=100), 98, 0, 2),
        (TimeLimits(max_duration_seconds=100), 100, 0, 0.001),
    ],
)
def test_when_to_look_again(limits, elapsed, idle_for, seconds):
    assert limits.next_check_seconds(elapsed=elapsed, idle_for=idle_for) == pytest.approx(seconds)
