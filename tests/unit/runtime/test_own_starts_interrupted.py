"""Own starts whose caller goes away, or whose API server does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver.faults import refusal, watches
from tests.unit.runtime.own_starts import asks, creates, fleet, launchers, objects, script_of
from tests.unit.runtime.stories import story

from greenroom.errors import (
    MaxSessionsPerCallExceeded,
    StartTimedOut,
)
from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    pass


# --- the caller goes away ---


@story
async def test_a_caller_who_goes_away_while_it_waits_for_a_slot_takes_it_back():
    async with fleet(sessionsPerPod=1) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        waiting = asyncio.create_task(launcher.start_session("c2"))
        await here.clock.sleep(5)
        assert len(objects(here)) == 2
        waiting.cancel()
        await here.when(lambda: len(objects(here)) == 1, 5)
        assert len(here.agents.created) == 1


@pytest.mark.parametrize("after_seconds", [0.0, 0.0001, 0.001, 0.002, 0.003, 0.005, 0.01, 0.05, 1.0])
@story
async def test_a_caller_may_go_away_at_any_moment(after_seconds):
    """Nothing runs on, nothing is stuck, and the pod's slot is free again."""
    async with fleet(sessionsPerPod=1) as here:
        [launcher] = launchers(here)
        here.agents.build = lambda: asyncio.sleep(2)
        waiting = asyncio.create_task(launcher.start_session("c1"))
        await here.clock.sleep(after_seconds)
        waiting.cancel()
        await asyncio.wait([waiting])
        await here.when(lambda: all(item["status"].get("reason") for item in objects(here)), 20)
        await here.when(lambda: all(agent.closes for agent in here.agents.agents), 20)
        here.agents.build = None
        await launcher.start_session("c2")


# --- the API server is away ---


FAULTS: list[dict[str, Any]] = [
    {"never_sent": True},
    {"drop_request": True},
    {"drop_reply": True},
    {"delay_after_seconds": 20.0},
    {"delay_before_seconds": 20.0},
    {"answer": refusal(500, "InternalError")},
    {"answer": refusal(429, "TooManyRequests", retry_after=1)},
    {"answer": refusal(403, "Forbidden")},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(fault))
@pytest.mark.parametrize("times", [1, 2])
@story
async def test_a_create_without_a_definite_answer_is_repeated_and_makes_one_session(fault, times):
    async with fleet() as here:
        [launcher] = launchers(here)
        script_of(here, launcher).add(creates, times, **fault)
        session = await launcher.start_session("c1")
        await here.clock.sleep(60)
        assert [item["metadata"]["name"] for item in objects(here)] == [session.id]
        assert len(here.agents.created) == 1


@story
async def test_an_outage_is_waited_for_within_the_deadline():
    async with fleet() as here:
        [launcher] = launchers(here)
        here.server.stop()
        starting = asyncio.create_task(launcher.start_session("c1"))
        await here.clock.sleep(30)
        here.server.start()
        session = await starting
        assert [item["metadata"]["name"] for item in objects(here)] == [session.id]


@pytest.mark.parametrize("fault", [{"drop_request": True}, {"delay_before_seconds": 70.0}])
@story
async def test_an_outage_longer_than_the_deadline_leaves_nothing_behind(fault):
    """Not even where the create is carried out when nobody waits for it any more."""
    async with fleet() as here:
        [launcher] = launchers(here)
        script = script_of(here, launcher)
        script.add(asks, 10_000, **fault)
        begun = here.clock.boot()
        with pytest.raises(StartTimedOut, match="the API server has not answered in 20 s"):
            await launcher.start_session("c1", limits=SessionLimits(start_deadline_seconds=20))
        assert here.clock.boot() - begun == pytest.approx(20, abs=0.5)
        script.clear()
        await here.clock.sleep(200)
        assert all(item["status"].get("reason") for item in objects(here))
        assert here.agents.created == []
        await launcher.start_session("c2")


@pytest.mark.parametrize("fault", [{"drop_reply": True}, {"delay_after_seconds": 40.0}])
@story
async def test_what_runs_is_told_though_no_answer_says_that_it_was_created(fault):
    async with fleet() as here:
        [launcher] = launchers(here)
        script_of(here, launcher).add(creates, 10_000, **fault)
        begun = here.clock.boot()
        session = await launcher.start_session("c1")
        assert here.clock.boot() - begun < 1
        assert [item["metadata"]["name"] for item in objects(here)] == [session.id]


@story
async def test_a_verdict_during_an_outage_of_the_watches_is_seen_afterwards():
    async with fleet(limits={"maxSessionsPerCall": 1}) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        script = script_of(here, launcher)
        script.add(watches, 30, answer=refusal(500, "InternalError"))
        with pytest.raises(MaxSessionsPerCallExceeded):
            await launcher.start_session("c1", limits=SessionLimits(start_deadline_seconds=50))
