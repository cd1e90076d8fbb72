"""Pods that leave, or die, with starts of their own under way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.runtime.agents import OwnAgent
from tests.unit.runtime.own_starts import fleet, launchers, objects, silence
from tests.unit.runtime.stories import story

from greenroom.errors import (
    StartAbandoned,
)
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    pass


# --- leaving ---


@story
async def test_a_drain_lets_calls_finish_and_takes_back_what_waits():
    async def ten_seconds(agent: OwnAgent) -> None:
        agent.join()
        await asyncio.sleep(10)

    async with fleet(sessionsPerPod=1) as here:
        here.agents.call = ten_seconds
        [launcher] = launchers(here)
        session = await launcher.start_session("c1")
        waiting = asyncio.create_task(launcher.start_session("c2"))
        await here.clock.sleep(3)
        drained = asyncio.create_task(launcher.drain())
        with pytest.raises(StartAbandoned, match="the pod is leaving"):
            await waiting
        assert launcher.draining
        with pytest.raises(StartAbandoned):
            await launcher.start_session("c3")
        assert await drained
        ended = await here.until(session.id, lambda s: s.ended, 1)
        assert ended.status.reason is EndReason.FINISHED
        await here.when(lambda: len(objects(here)) == 1, 10)


@story
async def test_a_drain_with_a_time_ends_what_is_left_then():
    async with fleet() as here:
        [launcher] = launchers(here)
        session = await launcher.start_session("c1")
        begun = here.clock.boot()
        assert not await launcher.drain(5)
        assert here.clock.boot() - begun == pytest.approx(5, abs=0.5)
        ended = await here.until(session.id, lambda s: s.ended, 1)
        assert ended.status.reason is EndReason.DRAINED


@story
async def test_stop_ends_all_at_once_also_during_a_drain():
    async with fleet() as here:
        [launcher] = launchers(here)
        session = await launcher.start_session("c1")
        draining = asyncio.create_task(launcher.drain())
        await here.clock.sleep(1)
        begun = here.clock.boot()
        await launcher.stop()
        assert here.clock.boot() - begun < 1
        assert session.agent.closes == 1
        assert not await draining
        with pytest.raises(RuntimeError):
            await launcher.start_session("c2")


@story
async def test_a_pod_that_dies_in_the_middle_of_a_start_leaves_an_end_with_its_reason():
    """At once, not at the start deadline: only that pod could have run it."""
    async with fleet() as here:
        [launcher] = launchers(here)
        here.agents.build = lambda: asyncio.sleep(50)
        starting = asyncio.create_task(launcher.start_session("c1"))
        await here.when(lambda: any(item["status"]["phase"] == "Scheduled" for item in objects(here)))
        [only] = objects(here)
        begun = here.clock.boot()
        [pod] = here.pods
        await here.kill_pod(pod)
        ended = await here.until(only["metadata"]["name"], lambda s: s.ended)
        assert here.clock.boot() - begun < 2
        assert (ended.status.phase, ended.status.reason) == (Phase.FAILED, EndReason.POD_LOST)
        assert ended.status.message == f"pod {pod}, which alone may run it, has ended"
        starting.cancel()
        await asyncio.wait([starting])


@story
async def test_what_a_dead_pod_had_waiting_ends_too():
    async with fleet(2, sessionsPerPod=1) as here:
        one = launchers(here)[0]
        [pod] = [name for name, launcher in here.launchers.items() if launcher is one]
        await one.start_session("c1")
        waiting = asyncio.create_task(one.start_session("c2"))
        await here.clock.sleep(3)
        name = next(item["metadata"]["name"] for item in objects(here) if item["spec"]["callId"] == "c2")
        begun = here.clock.boot()
        silence(here, one)
        await here.kill_pod(pod)
        ended = await here.until(name, lambda s: s.ended)
        assert here.clock.boot() - begun < 2
        assert ended.status.reason is EndReason.POD_LOST
        waiting.cancel()
        await asyncio.wait([waiting])


@story
async def test_a_session_for_a_pod_that_is_not_there_ends_at_once():
    async with fleet() as here:
        begun = here.clock.boot()
        await here.create_session("lost", podName="no-such-pod")
        ended = await here.until("lost", lambda s: s.ended)
        assert here.clock.boot() - begun < 2
        assert (ended.status.reason, ended.status.message) == (
            EndReason.POD_LOST,
            "pod no-such-pod, which alone may run it, is gone",
        )


@story
async def test_a_session_for_a_pod_of_another_runtime_ends_at_once():
    async with fleet() as here:
        await here.create_runtime("other")
        await here.when(lambda: len([pod for pod in here.pods.values() if pod.ready]) == 2)
        stranger = next(name for name in here.pods if name.startswith("other"))
        await here.create_session("s1", podName=stranger)
        ended = await here.until("s1", lambda s: s.ended, 3)
        assert (ended.status.phase, ended.status.reason) == (Phase.FAILED, EndReason.INVALID_SPEC)
