"""Sessions that pods started themselves, seen and closed from any pod."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.runtime.own_starts import fleet, launchers, objects, requests, silence
from tests.unit.runtime.stories import story

from greenroom.errors import (
    HeldElsewhere,
    RegistryUnavailable,
    StartAbandoned,
)
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    pass


# --- from any pod ---


@story
async def test_sessions_are_seen_from_any_pod_and_closed_from_their_own():
    async with fleet(2) as here:
        (one, two) = launchers(here)
        session = await one.start_session("c1")
        session.agent.metrics.tts_characters__total.inc(5)
        await here.until(session.id, lambda s: s.status.joined_at is not None)

        mine = await one.get_session_info("c1", session.id)
        theirs = await two.get_session_info("c1", session.id)
        assert mine is not None
        assert theirs is not None
        [pod] = [name for name, launcher in here.launchers.items() if launcher is one]
        for info in (mine, theirs):
            assert (info.session_id, info.call_id, info.node_id) == (session.id, "c1", pod)
            assert (info.phase, info.started_at) == (Phase.RUNNING, session.started_at.timestamp())
        assert mine.metrics.tts_characters__total.value() == 5, "of its own sessions a pod knows the figures"

        for launcher in (one, two):
            assert await launcher.get_session_info("other", session.id) is None
            assert not await launcher.request_close_session("other", session.id)
            for strange in ("no-such", "../secrets", "A B", ""):
                assert await launcher.get_session_info("c1", strange) is None
                assert not await launcher.request_close_session("c1", strange)

        with pytest.raises(HeldElsewhere, match=r"close it by the REST API, or by the annotation greenroom\.dev/close"):
            await two.request_close_session("c1", session.id)
        assert (await here.get(session.id)).status.phase is Phase.RUNNING
        assert await one.request_close_session("c1", session.id)
        ended = await here.until(session.id, lambda s: s.ended, 2)
        assert ended.status.reason is EndReason.CLOSE_REQUESTED
        for launcher in (one, two):
            assert await launcher.get_session_info("c1", session.id) is None
            assert not await launcher.request_close_session("c1", session.id)


@story
async def test_a_close_request_from_the_own_pod_acts_at_once_and_costs_no_write_of_its_own():
    async with fleet() as here:
        [launcher] = launchers(here)
        session = await launcher.start_session("c1")
        before = requests(here, "PATCH", "agentsessions")
        here.server.stop()
        assert await launcher.request_close_session("c1", session.id)
        await here.when(lambda: session.agent.closes == 1, 1)
        here.server.start()
        await here.until(session.id, lambda s: s.status.reason is EndReason.CLOSE_REQUESTED)
        assert requests(here, "PATCH", "agentsessions") == before


@story
async def test_a_close_of_what_may_run_again_elsewhere_is_written_down():
    async with fleet() as here:
        [launcher] = launchers(here)
        await here.create_session("again", restartPolicy="OnPodLoss")
        await here.until("again", lambda s: s.status.joined_at is not None)
        here.agents.agents[-1].close_seconds = 5.0
        assert await launcher.request_close_session("c1", "again")
        stands = await here.get("again")
        assert not stands.ended
        assert stands.close_requested
        ended = await here.until("again", lambda s: s.ended)
        assert ended.status.reason is EndReason.CLOSE_REQUESTED


@story
async def test_a_close_that_was_acknowledged_outlives_its_pod():
    """The agent was leaving when the pod died: no other pod runs the session again."""
    async with fleet(2) as here:
        await here.create_session("again", restartPolicy="OnPodLoss")
        found = await here.until("again", lambda s: s.status.joined_at is not None)
        pod = found.status.pod_name
        here.agents.agents[-1].close_seconds = 50.0
        assert await here.launchers[pod].request_close_session("c1", "again")
        silence(here, here.launchers[pod])
        await here.kill_pod(pod)
        ended = await here.until("again", lambda s: s.ended, 30)
        assert ended.status.reason is EndReason.CLOSE_REQUESTED
        assert ended.status.attempt == 1


@story
async def test_a_close_that_cannot_be_written_down_is_not_acknowledged():
    async with fleet() as here:
        [launcher] = launchers(here)
        await here.create_session("again", restartPolicy="OnPodLoss")
        await here.until("again", lambda s: s.status.joined_at is not None)
        silence(here, launcher)
        with pytest.raises(RegistryUnavailable, match="could not be written"):
            await launcher.request_close_session("c1", "again")


@story
async def test_an_own_start_that_waits_is_closed_by_its_pod_or_by_the_annotation():
    async with fleet(2, sessionsPerPod=1) as here:
        (one, two) = launchers(here)
        await one.start_session("c1")
        waiting = asyncio.create_task(one.start_session("c2"))
        await here.clock.sleep(3)
        name = next(item["metadata"]["name"] for item in objects(here) if item["spec"]["callId"] == "c2")
        info = await two.get_session_info("c2", name)
        assert info is not None
        assert (info.phase, info.node_id) == (Phase.PENDING, "")
        with pytest.raises(HeldElsewhere):
            await two.request_close_session("c2", name)
        await here.close(name)
        with pytest.raises(StartAbandoned, match="CloseRequested"):
            await waiting
        waiting = asyncio.create_task(one.start_session("c4"))
        await here.clock.sleep(3)
        name = next(item["metadata"]["name"] for item in objects(here) if item["spec"]["callId"] == "c4")
        assert not await one.request_close_session("c2", name)
        assert await one.request_close_session("c4", name)
        with pytest.raises(StartAbandoned, match="closed before"):
            await waiting
        await here.gone(name, 5)
        again = asyncio.create_task(one.start_session("c3"))
        await here.clock.sleep(3)
        name = next(item["metadata"]["name"] for item in objects(here) if item["spec"]["callId"] == "c3")
        assert await one.close_session(name)
        with pytest.raises(StartAbandoned):
            await again
        await here.gone(name, 5)


@story
async def test_the_list_has_all_pods_sessions_ended_ones_too():
    async with fleet(2) as here:
        (one, two) = launchers(here)
        first = await one.start_session("c1")
        await here.clock.sleep(2)
        second = await two.start_session("c2")
        await one.close_session(first.id, wait=True)
        await here.until(first.id, lambda s: s.ended)
        for launcher in (one, two):
            infos = await launcher.list_sessions()
            assert [(info.session_id, info.phase) for info in infos] == [
                (second.id, Phase.RUNNING),
                (first.id, Phase.CLOSED),
            ]
            assert infos[1].reason is EndReason.CLOSE_REQUESTED
            assert [info.session_id for info in await launcher.list_sessions("c2")] == [second.id]
            assert await launcher.list_sessions("no such,status.phase=Running") == []


@story
async def test_who_cannot_reach_the_registry_is_told_so():
    async with fleet(2) as here:
        (one, two) = launchers(here)
        session = await one.start_session("c1")
        here.server.stop()
        assert await one.get_session_info("c1", session.id) is not None, "its own it knows without asking"
        for asked in (two.get_session_info("c1", session.id), two.request_close_session("c1", session.id)):
            with pytest.raises(RegistryUnavailable):
                await asked
        here.server.start()
        assert await one.request_close_session("c1", session.id)
