"""Code in a pod starts sessions: whole, with the operator, in memory and on virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.fakes.apiserver.faults import refusal
from tests.unit.runtime.agents import ForeignAgent, OwnAgent
from tests.unit.runtime.own_starts import creates, fleet, launchers, objects, requests, script_of
from tests.unit.runtime.stories import story
from tests.unit.whole.stage import stage

from greenroom.errors import (
    InvalidParameters,
    MaxConcurrentSessionsExceeded,
    MaxSessionsPerCallExceeded,
    NoFreeSlot,
    RegistryUnavailable,
    SessionLimitExceeded,
    StartTimedOut,
)
from greenroom_api.backend import LimitReached, NoSlot, Started, StartRequest
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    pass


# --- a whole life ---


@story
async def test_a_session_started_by_code_in_the_pod_is_an_object_like_any_other_and_its_agent_is_at_hand():
    async with fleet(2) as here:
        (one, two) = launchers(here)
        before = {what: requests(here, *what) for what in WRITES}
        session = await two.start_session("c1", "audio", parameters={"topic": "weather"})

        assert session.agent is here.agents.agents[0]
        assert here.agents.created == [{"topic": "weather"}]
        assert (session.call_id, session.finished) == ("c1", False)
        [pod] = [name for name, launcher in here.launchers.items() if launcher is two]
        found = await here.until(session.id, lambda s: s.status.joined_at is not None)
        assert found.spec.pod_name == found.status.pod_name == pod
        assert found.spec.call_type == "audio"
        assert found.status.started_at == session.started_at
        assert found.metadata.finalizers == (names.LEAVE_CALL,)
        assert found.status.effective.ttl_seconds_after_finished == 3600
        assert two.get_session(session.id) is session
        assert two.sessions == (session,)
        assert one.sessions == ()

        assert await two.close_session(session.id, wait=True)
        assert here.agents.agents[0].closes == 1
        assert (two.get_session(session.id), two.sessions) == (None, ())
        ended = await here.until(session.id, lambda s: s.ended)
        assert (ended.status.phase, ended.status.reason) == (Phase.CLOSED, EndReason.CLOSE_REQUESTED)
        # create; bind, Running, Joined and the end with final metrics
        assert {what: requests(here, *what) - before[what] for what in WRITES} == {
            ("POST", "agentsessions"): 1,
            ("PATCH", "agentsessions"): 0,
            ("PATCH", "agentsessions/status"): 4,
            ("DELETE", "agentsessions"): 0,
        }


WRITES = (
    ("POST", "agentsessions"),
    ("PATCH", "agentsessions"),
    ("PATCH", "agentsessions/status"),
    ("DELETE", "agentsessions"),
)


@pytest.mark.parametrize("make", [OwnAgent, ForeignAgent])
@story
async def test_the_session_bears_the_object_s_name_whatever_its_agent_is_called(make):
    async with fleet() as here:
        here.agents.make = make
        [launcher] = launchers(here)
        session = await launcher.start_session("c1")
        assert [item["metadata"]["name"] for item in objects(here)] == [session.id]
        assert launcher.get_session(session.id) is session


@story
async def test_a_session_that_was_bound_here_by_others_is_the_launcher_s_too():
    async with fleet() as here, here.api() as api:
        [launcher] = launchers(here)
        started = await api.start(StartRequest(call_id="c1"))
        assert isinstance(started, Started)
        [session] = launcher.sessions
        assert (launcher.running, launcher.ready) == (True, True), "the pod's program has started it"
        assert session.id == started.session.session_id
        assert await launcher.close_session(session.id, wait=True)
        await here.until(session.id, lambda s: s.ended)


@story
async def test_limits_and_defaults_of_an_own_start():
    async with fleet(sessionDefaults={"limits": {"idleTimeoutSeconds": 7}, "ttlSecondsAfterFinished": 30}) as here:
        [launcher] = launchers(here)
        session = await launcher.start_session("c1", limits=SessionLimits(max_duration_seconds=20))
        found = await here.get(session.id)
        assert found.spec.ttl_seconds_after_finished is None, "the AgentRuntime says it"
        assert found.status.effective.ttl_seconds_after_finished == 30
        ended = await here.until(session.id, lambda s: s.ended)
        assert ended.status.reason is EndReason.MAX_DURATION
        second = await launcher.start_session("c2")
        second.agent.alone()
        ended = await here.until(second.id, lambda s: s.ended)
        assert ended.status.reason is EndReason.IDLE
        await here.gone(session.id, 60)


@story
async def test_the_path_of_a_video_stays_in_the_process():
    class Seeing(OwnAgent):
        path = ""

        def set_video_track_override_path(self, path: str) -> None:
            self.path = path

    async with fleet() as here:
        here.agents.make = Seeing
        session = await launchers(here)[0].start_session("c1", video_track_override_path="/clips/a.mp4")
        assert session.agent.path == "/clips/a.mp4"
        assert "/clips" not in str(objects(here))


@story
async def test_a_start_that_nobody_waits_for_returns_when_it_has_its_place():
    async with fleet() as here:
        [launcher] = launchers(here)
        here.agents.build = lambda: asyncio.sleep(5)
        info = await launcher.begin_session("c1")
        assert (info.phase, info.call_id) == (Phase.SCHEDULED, "c1")
        assert launcher.get_session(info.session_id) is None
        await here.until(info.session_id, lambda s: s.status.joined_at is not None)
        assert launcher.get_session(info.session_id) is not None


# --- refused ---


@pytest.mark.parametrize(
    ("limits", "call", "error", "text"),
    [
        ({"maxSessionsPerCall": 1}, "c1", MaxSessionsPerCallExceeded, "Reached maximum sessions per call of 1"),
        ({"maxConcurrentSessions": 1}, "c2", MaxConcurrentSessionsExceeded, "Reached maximum concurrent sessions of 1"),
    ],
)
@story
async def test_over_a_limit_it_is_refused_at_once_and_leaves_nothing(limits, call, error, text):
    async with fleet(limits=limits) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        begun = here.clock.boot()
        with pytest.raises(error) as raised:
            await launcher.start_session(call)
        assert str(raised.value) == text
        assert raised.value.limit == 1
        assert here.clock.boot() - begun < 1
        await here.when(lambda: len(objects(here)) == 1, 40)
        assert len(here.agents.created) == 1, "no agent was built for it"


@story
async def test_own_starts_and_clients_racing_for_one_call():
    async with fleet(2, limits={"maxSessionsPerCall": 1}) as here, here.api() as api:
        for round_ in range(20):
            call = f"c{round_}"
            results = await asyncio.gather(
                *(api.start(StartRequest(call_id=call)) for _ in range(4)),
                *(launcher.start_session(call) for launcher in launchers(here) for _ in range(4)),
                return_exceptions=True,
            )
            kinds = Counter(type(result).__name__ for result in results)
            won = kinds.pop("Started", 0) + kinds.pop("PodSession", 0)
            assert won == 1
            assert kinds.keys() <= {LimitReached.__name__, MaxSessionsPerCallExceeded.__name__}
            for launcher in launchers(here):
                for session in launcher.sessions:
                    await launcher.close_session(session.id, wait=True)
            await here.when(lambda: all(item["status"].get("reason") for item in objects(here)), 20)
        assert len(here.agents.created) == 20


@story
async def test_a_full_pod_makes_it_wait_and_it_goes_before_all_who_wait():
    async with fleet(sessionsPerPod=1) as here, here.api() as api:
        [launcher] = launchers(here)
        first = await launcher.start_session("c1")
        assert launcher.full
        by_rest = asyncio.create_task(api.start(StartRequest(call_id="c2", priority=9)))
        await here.clock.sleep(5)
        mine = asyncio.create_task(launcher.start_session("c3"))
        await here.clock.sleep(5)
        assert not mine.done()
        await launcher.close_session(first.id)
        second = await mine
        assert second.call_id == "c3"
        assert not by_rest.done()
        assert isinstance(await by_rest, NoSlot)


@pytest.mark.parametrize("operator", [True, False])
@story
async def test_no_slot_in_time(operator):
    async with fleet(sessionsPerPod=1, operator=True) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        if not operator:
            for task in here._tasks[1:]:
                task.cancel()
        begun = here.clock.boot()
        with pytest.raises(NoFreeSlot) as raised:
            await launcher.start_session("c2", limits=SessionLimits(start_deadline_seconds=8))
        assert isinstance(raised.value, SessionLimitExceeded)
        assert here.clock.boot() - begun == pytest.approx(8, abs=0.1)
        assert "no free slot in 8 s" in str(raised.value)
        if operator:
            await here.when(lambda: len(objects(here)) == 1, 10)
        refused = [item for item in objects(here) if item["spec"]["callId"] == "c2"]
        assert all(item["status"]["reason"] == "CloseRequested" for item in refused)
        assert len(refused) == (0 if operator else 1)
        assert len(here.agents.created) == 1


@story
async def test_the_fleet_s_start_deadline_holds():
    async with fleet(sessionsPerPod=1, sessionDefaults={"limits": {"startDeadlineSeconds": 3}}) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        begun = here.clock.boot()
        with pytest.raises(NoFreeSlot):
            await launcher.start_session("c2")
        assert here.clock.boot() - begun == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("parameters", [{"topic": object()}, {"when": {1, 2}.__iter__}])
@story
async def test_parameters_that_no_object_can_hold_are_refused_before_anything_is_created(parameters):
    async with fleet() as here:
        with pytest.raises(InvalidParameters, match="JSON"):
            await launchers(here)[0].start_session("c1", parameters=parameters)
        assert objects(here) == []


@story
async def test_a_call_id_that_cannot_be_is_refused():
    async with fleet() as here:
        with pytest.raises(InvalidParameters, match="callId"):
            await launchers(here)[0].start_session("Not A Call")
        assert objects(here) == []
        begun = here.clock.boot()
        await launchers(here)[0].stop()
        assert here.clock.boot() - begun < 1, "there is nothing to be removed"


@story
async def test_what_the_agent_file_raises_is_raised_and_stands_in_the_object():
    async def fails() -> None:
        raise LookupError("no such voice")

    async with fleet() as here:
        here.agents.build = fails
        with pytest.raises(LookupError, match="no such voice"):
            await launchers(here)[0].start_session("c1")
        [only] = objects(here)
        ended = await here.until(only["metadata"]["name"], lambda s: s.ended)
        assert (ended.status.reason, ended.status.message) == (EndReason.AGENT_ERROR, "LookupError: no such voice")


@story
async def test_a_build_that_hangs_times_out():
    async with fleet() as here:
        here.agents.build = lambda: asyncio.sleep(1_000)
        with pytest.raises(StartTimedOut):
            await launchers(here)[0].start_session("c1")
        [only] = objects(here)
        await here.until(only["metadata"]["name"], lambda s: s.status.reason is EndReason.START_TIMEOUT)


@story
async def test_an_account_that_may_not_create_sessions_is_told_at_once():
    async with fleet() as here:
        script = script_of(here, launchers(here)[0])
        script.add(creates, 100, answer=refusal(403, "Forbidden", "agentsessions is forbidden"))
        begun = here.clock.boot()
        with pytest.raises(RegistryUnavailable, match="agentsessions is forbidden"):
            await launchers(here)[0].start_session("c1")
        assert here.clock.boot() - begun < 5


# --- what it costs, what it tells ---


@story
async def test_a_pod_that_starts_nothing_itself_watches_its_sessions_alone():
    async with fleet() as here:
        [launcher] = launchers(here)
        script = script_of(here, launcher)
        await here.clock.sleep(700)
        assert {item.query.get("fieldSelector") for item in script.seen} == {f"status.podName={next(iter(here.pods))}"}
        await launcher.start_session("c1")
        await here.clock.sleep(700)
        selectors = {item.query["labelSelector"] for item in script.seen if "labelSelector" in item.query}
        assert len(selectors) == 1
        (watched,) = {item.query["fieldSelector"] for item in script.seen if "labelSelector" in item.query}
        assert watched == "status.podName="


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, "set spec.limits.maxConcurrentSessions: 9, spec.limits.maxSessionsPerCall: 2 in AgentRuntime default"),
        ({"maxConcurrentSessions": 3}, "set spec.limits.maxSessionsPerCall: 2 in AgentRuntime default"),
        ({"maxConcurrentSessions": 3, "maxSessionsPerCall": 1}, None),
    ],
)
def test_limits_of_the_agent_file_that_do_not_hold_are_told_once(limits, told, caplog):
    async def run() -> None:
        async with stage() as here:
            here.launcher_options = {"max_concurrent_sessions": 9, "max_sessions_per_call": 2}
            here.start_operator()
            await here.create_runtime(limits=limits)
            await here.when(lambda: any(pod.ready for pod in here.pods.values()))
            await here.clock.sleep(100)

    story(run)()
    lines = [record.message for record in caplog.records if record.name == "greenroom.runtime.fleet"]
    assert lines == ([f"in a cluster the AgentRuntime's limits hold, not the agent file's: {told}"] if told else [])
