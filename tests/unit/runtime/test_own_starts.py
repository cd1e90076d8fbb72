"""Code in a pod starts, sees and closes sessions: whole, with the operator, in memory and on virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import Script
from tests.fakes.apiserver.faults import refusal, watches
from tests.unit.runtime.agents import ForeignAgent, OwnAgent
from tests.unit.runtime.stories import story
from tests.unit.whole.stage import Stage, stage

from greenroom.errors import (
    InvalidParameters,
    MaxConcurrentSessionsExceeded,
    MaxSessionsPerCallExceeded,
    NoFreeSlot,
    RegistryUnavailable,
    SessionLimitExceeded,
    StartAbandoned,
    StartTimedOut,
)
from greenroom_api.backend import LimitReached, NoSlot, Started, StartRequest
from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.launcher import AgentLauncher
    from greenroom_core.kube.transport import Request


@asynccontextmanager
async def fleet(pods: int = 1, *, operator: bool = True, **runtime: Any) -> AsyncIterator[Stage]:
    """A stage whose pods are ready. `operator` False takes the operator away again."""
    async with stage() as here:
        _, running = here.start_operator()
        await here.create_runtime(**{"replicas": pods, "sessionsPerPod": 4, **runtime})
        await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == pods)
        await here.clock.sleep(3)  # so that the operator has seen it
        here.agents.created.clear()
        here.agents.agents.clear()
        if not operator:
            running.cancel()
        yield here
        here.check() if operator else None


def launchers(here: Stage) -> list[AgentLauncher]:
    return [here.launchers[name] for name in sorted(here.launchers)]


def objects(here: Stage) -> list[Any]:
    return here.server.objects("agentsessions")


def requests(here: Stage, verb: str, what: str) -> int:
    """How many were answered with success."""
    return sum(
        count
        for (_, asked, on, status), count in here.server.answered.items()
        if (asked, on) == (verb, what) and status < 300
    )


async def none_left(here: Stage, seconds: float = 40.0) -> None:
    await here.when(lambda: not objects(here), seconds)


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
        assert found.spec.ttl_seconds_after_finished == 3600
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
        await here.when(lambda: len(objects(here)) == 1, 10)
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
        assert all(item["metadata"].get("deletionTimestamp") for item in objects(here)[1:])
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
        script = _script(here, launchers(here)[0])
        script.add(_creates, 100, answer=refusal(403, "Forbidden", "agentsessions is forbidden"))
        begun = here.clock.boot()
        with pytest.raises(RegistryUnavailable, match="agentsessions is forbidden"):
            await launchers(here)[0].start_session("c1")
        assert here.clock.boot() - begun < 5


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


def _creates(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("agentsessions")


def _asks(request: Request) -> bool:
    """Everything but watches, and the writes of sessions that run."""
    return request.method in ("POST", "GET", "DELETE") and "watch" not in request.query


def _script(here: Stage, launcher: AgentLauncher) -> Script:
    """Faults between that launcher's pod and the API server."""
    [name] = [name for name, known in here.launchers.items() if known is launcher]
    script = Script(here.clock)
    next(item for item in here.transports if item.user == name).faults = script
    return script


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
        _script(here, launcher).add(_creates, times, **fault)
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
        script = _script(here, launcher)
        script.add(_asks, 10_000, **fault)
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
        _script(here, launcher).add(_creates, 10_000, **fault)
        begun = here.clock.boot()
        session = await launcher.start_session("c1")
        assert here.clock.boot() - begun < 1
        assert [item["metadata"]["name"] for item in objects(here)] == [session.id]


@story
async def test_a_verdict_during_an_outage_of_the_watches_is_seen_afterwards():
    async with fleet(limits={"maxSessionsPerCall": 1}) as here:
        [launcher] = launchers(here)
        await launcher.start_session("c1")
        script = _script(here, launcher)
        script.add(watches, 30, answer=refusal(500, "InternalError"))
        with pytest.raises(MaxSessionsPerCallExceeded):
            await launcher.start_session("c1", limits=SessionLimits(start_deadline_seconds=50))


# --- from any pod ---


@story
async def test_sessions_are_seen_and_closed_from_any_pod():
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

        assert await two.request_close_session("c1", session.id)
        assert await two.request_close_session("c1", session.id)
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
        assert await launcher.request_close_session("c1", "again")
        ended = await here.until("again", lambda s: s.ended)
        assert ended.close_requested
        assert ended.status.reason is EndReason.CLOSE_REQUESTED


@story
async def test_an_own_start_that_waits_can_be_closed_from_anywhere():
    async with fleet(2, sessionsPerPod=1) as here:
        (one, two) = launchers(here)
        await one.start_session("c1")
        waiting = asyncio.create_task(one.start_session("c2"))
        await here.clock.sleep(3)
        name = next(item["metadata"]["name"] for item in objects(here) if item["spec"]["callId"] == "c2")
        info = await two.get_session_info("c2", name)
        assert info is not None
        assert (info.phase, info.node_id) == (Phase.PENDING, "")
        assert await two.request_close_session("c2", name)
        with pytest.raises(StartAbandoned, match="CloseRequested"):
            await waiting
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
        assert await two.request_close_session("c1", session.id)


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
        _silence(here, pod)
        await here.kill_pod(pod)
        ended = await here.until(name, lambda s: s.ended)
        assert here.clock.boot() - begun < 2
        assert ended.status.reason is EndReason.POD_LOST
        waiting.cancel()
        await asyncio.wait([waiting])


def _silence(here: Stage, pod: str) -> None:
    """Nothing that this process still does reaches the API server."""
    script = Script(here.clock)
    script.add(times=10_000, never_sent=True)
    next(item for item in here.transports if item.user == pod).faults = script


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


# --- what it costs, what it tells ---


@story
async def test_a_pod_that_starts_nothing_itself_watches_its_sessions_alone():
    async with fleet() as here:
        [launcher] = launchers(here)
        script = _script(here, launcher)
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


def test_where_the_agentruntime_cannot_be_read_the_advice_stands_without_the_comparison(caplog):
    async def run() -> None:
        async with stage() as here:
            here.launcher_options = {"max_sessions_per_call": 2}
            here.pod_faults = script = Script(here.clock)
            script.add(lambda request: RUNTIMES.plural in request.path, 100, answer=refusal(403, "Forbidden"))
            here.start_operator()
            await here.create_runtime()
            await here.when(lambda: any(pod.ready for pod in here.pods.values()))
            session = await launchers(here)[0].start_session("c1")
            assert (await here.get(session.id)).spec.ttl_seconds_after_finished == 3600

    story(run)()
    [line] = [record.message for record in caplog.records if record.name == "greenroom.runtime.fleet"]
    assert "see that AgentRuntime default sets spec.limits.maxSessionsPerCall: 2 (it cannot be read: 403" in line
