"""SIGTERM: no new sessions, calls finish within the drain timeout, reports within the grace period, then the end."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.runtime.agents import OwnAgent
from tests.unit.runtime.cluster import Cluster, cluster
from tests.unit.runtime.stories import story

from greenroom_core.model import meta


async def drained(here: Cluster) -> float:
    """Seconds from the drain to the end of the pod."""
    begun = here.clock.boot()
    here.pod.drain()
    assert not here.pod.ready
    assert here.running is not None
    await here.running
    return here.clock.boot() - begun


def calls_of(seconds: float):
    async def call(agent: OwnAgent) -> None:
        agent.join()
        await asyncio.sleep(seconds)

    return call


@story
async def test_an_empty_pod_leaves_at_once():
    async with cluster() as here:
        assert await drained(here) == 0


@story
async def test_calls_finish_within_the_drain_timeout():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = calls_of(60)
        await here.start("s1")
        await asyncio.sleep(10)
        assert await drained(here) == pytest.approx(50, abs=0.1)
        ended = await here.get("s1")
        assert (ended.status.phase, ended.status.reason) == ("Closed", "Finished")


@story
async def test_calls_that_do_not_finish_leave_as_drained_at_the_timeout():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = calls_of(10_000)
        await here.start("s1")
        assert await drained(here) == pytest.approx(100, abs=0.1)
        ended = await here.get("s1")
        assert (ended.status.phase, ended.status.reason) == ("Closed", "Drained")
        assert here.agent.closes == 1


@story
async def test_asking_again_shortens_nothing():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = calls_of(10_000)
        await here.start("s1")
        loop = asyncio.get_running_loop()
        for seconds in (1, 2, 50):
            loop.call_later(seconds, here.pod.drain)
        assert await drained(here) == pytest.approx(100, abs=0.1)


@story
async def test_new_sessions_are_given_back_and_closes_still_act():
    async with cluster(slots=5, drain_timeout_seconds=100) as here:
        here.file.call = calls_of(10_000)
        await here.start("s1")
        await here.create("s2")
        draining = asyncio.create_task(drained(here))
        await asyncio.sleep(1)
        await here.bind("s2")
        back = await here.until("s2", lambda session: session.status.phase == "Pending")
        assert meta.find(back.status.conditions, "Scheduled").message == "the pod is leaving"
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended("s1")
        assert ended.status.reason == "CloseRequested"
        assert await draining < 2


@story
async def test_a_session_that_waits_for_warm_up_is_given_back():
    async with cluster(ready=False) as here:
        here.file.build = lambda: asyncio.sleep(1_000)
        await here.create()
        await here.bind()
        await asyncio.sleep(1)
        assert await drained(here) < 1
        assert (await here.get()).status.phase == "Pending"


@story
async def test_a_session_that_is_being_built_goes_on():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.build = lambda: asyncio.sleep(20)
        here.file.call = calls_of(30)
        await here.create()
        await here.bind()
        await here.when(lambda: here.file.created != [])
        assert await drained(here) == pytest.approx(50, abs=0.1)
        assert (await here.get()).status.reason == "Finished"


@story
async def test_reports_are_tried_until_the_grace_period_is_nearly_over():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = calls_of(10)
        await here.start("s1")
        here.server.stop()
        assert await drained(here) == pytest.approx(128, abs=1)
        assert here.agent.closes == 1
        here.server.start()


@story
async def test_an_api_server_that_comes_back_in_the_grace_period_gets_its_reports():
    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = calls_of(10_000)
        await here.start("s1")
        here.server.stop()
        asyncio.get_running_loop().call_later(110, here.server.start)
        assert 110 <= await drained(here) <= 120
        ended = await here.get("s1")
        assert (ended.status.phase, ended.status.reason) == ("Closed", "Drained")


@story
async def test_an_agent_that_will_not_leave_is_reported_all_the_same():
    released = asyncio.Event()

    async def deaf(agent: OwnAgent) -> None:
        agent.join()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = deaf
        await here.start("s1")
        assert await drained(here) == pytest.approx(110, abs=0.1)
        ended = await here.get("s1")
        assert ended.status.reason == "Drained"
        assert "was given up" in ended.status.message
        assert here.pod.lingering == 1
        released.set()


@story
async def test_an_agent_already_leaving_when_the_drain_ends_is_reported_too():
    released = asyncio.Event()

    async def deaf(agent: OwnAgent) -> None:
        agent.join()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with cluster(drain_timeout_seconds=100) as here:
        here.file.call = deaf
        await here.start("s1")
        draining = asyncio.create_task(drained(here))
        await asyncio.sleep(99)
        await here.annotate("s1", close_requested="yes")
        assert await draining <= 130
        assert (await here.get("s1")).status.reason == "CloseRequested"
        released.set()
