"""The pod on virtual time against the in-memory API server: start, run state, close, slots, metrics."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.runtime.agents import ForeignAgent, OwnAgent
from tests.unit.runtime.cluster import POD_UID, cluster
from tests.unit.runtime.stories import story

from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import meta

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Request
    from greenroom_core.model.session import AgentSession


def conditions(session: AgentSession) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status.value, item.reason) for item in session.status.conditions}


# --- a whole life ---


@pytest.mark.parametrize("make", [OwnAgent, ForeignAgent])
@story
async def test_a_life_that_ends_by_itself_is_three_writes(make):
    async with cluster() as here:
        here.file.make = make

        async def call(agent: ForeignAgent) -> None:
            await asyncio.sleep(1)
            agent.join()
            await asyncio.sleep(10)
            agent.metrics.llm_input_tokens__total.inc(12)
            agent.metrics.llm_latency_ms__avg.update(80.0)

        here.file.call = call
        await here.create()
        begun = here.clock.wall()
        await here.bind()
        running = await here.until("s1", lambda session: session.status.phase == "Running")
        assert running.status.started_at == begun
        assert conditions(running) == {"Scheduled": ("True", "Bound"), "Ready": ("True", "AgentBuilt")}
        joined = await here.joined()
        assert timedelta(seconds=1) <= joined.status.joined_at - begun <= timedelta(seconds=1.2)
        assert conditions(joined)["Joined"] == ("True", "InCall")
        assert conditions(joined)["Ready"] == ("True", "AgentBuilt")
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason, ended.status.message) == ("Closed", "Finished", None)
        assert ended.status.ended_at - begun == timedelta(seconds=11)
        assert ended.status.started_at == begun
        assert ended.status.metrics.llm_input_tokens__total == 12
        assert ended.status.metrics.llm_latency_ms__avg == 80.0
        assert ended.status.metrics_generated_at == ended.status.ended_at
        assert conditions(ended) == {
            "Scheduled": ("True", "Bound"),
            "Ready": ("False", "Finished"),
            "Joined": ("False", "Finished"),
        }
        assert (here.writes, here.refused) == (3, 0)
        assert here.agent.closes == 1


@story
async def test_a_quick_life_is_three_writes_too_when_the_server_answers_at_once():
    async def call(agent: OwnAgent) -> None:
        agent.join()
        await asyncio.sleep(0.001)

    async with cluster() as here:
        here.file.call = call
        await here.create()
        await here.bind()
        await here.ended()
        assert here.writes == 3


@story
async def test_a_session_is_started_in_the_moment_it_is_seen():
    async with cluster() as here:
        await here.create()
        before = here.clock.boot()
        await here.bind()
        while not here.file.created:
            await asyncio.sleep(0)
        assert here.clock.boot() == before


@story
async def test_call_and_parameters_reach_the_agent_file_and_the_agent_bears_the_session_s_name():
    async with cluster() as here:
        await here.start("s1", callType="audio", parameters={"mood": "calm", "depth": {"a": [1]}})
        assert here.file.created == [{"mood": "calm", "depth": {"a": [1]}}]
        assert here.file.joined == [("audio", "call-of-s1", {"mood": "calm", "depth": {"a": [1]}})]
        assert here.agent.id == "s1"


@story
async def test_an_object_that_changes_under_the_pod_is_started_once():
    async with cluster() as here:
        await here.start()
        for number in range(5):
            await here.annotate("s1", note=str(number))
        await asyncio.sleep(5)
        assert len(here.file.created) == 1
        assert here.writes == 2


# --- limits ---


@pytest.mark.parametrize(
    ("effective", "launcher", "alone", "reason", "seconds"),
    [
        ({"idleTimeoutSeconds": 7}, {}, True, "Idle", 7),
        ({}, {"agent_idle_timeout": 9}, True, "Idle", 9),
        ({"idleTimeoutSeconds": 7}, {"agent_idle_timeout": 9}, True, "Idle", 7),
        ({}, {}, True, "Idle", 60),
        ({"maxDurationSeconds": 30}, {}, False, "MaxDuration", 30),
        ({}, {"max_session_duration_seconds": 25}, False, "MaxDuration", 25),
        ({"idleTimeoutSeconds": 0, "maxDurationSeconds": 90}, {"agent_idle_timeout": 9}, True, "MaxDuration", 90),
    ],
)
@story
async def test_the_bind_s_limits_come_before_the_agent_file_s_and_those_before_the_built_in(
    effective, launcher, alone, reason, seconds
):
    async def call(agent: OwnAgent) -> None:
        agent.join()
        if alone:
            agent.alone()
        await asyncio.Event().wait()

    async with cluster(**launcher) as here:
        here.file.call = call
        await here.create()
        await here.bind(limits=effective)
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Closed", reason)
        assert ended.status.message
        assert (ended.status.ended_at - ended.status.started_at).total_seconds() == pytest.approx(seconds, abs=0.05)


# --- what the agent's code does wrong ---


async def raises() -> None:
    raise LookupError("no such voice")


async def hangs() -> None:
    await asyncio.sleep(10_000)


@pytest.mark.parametrize(
    ("build", "reason", "message", "seconds"),
    [
        (raises, "AgentError", "LookupError: no such voice", 0),
        (hangs, "StartTimeout", "create_agent and warm-up took over 60 s", 60),
    ],
)
@story
async def test_an_agent_that_cannot_be_built_fails_its_session_and_the_pod_lives_on(build, reason, message, seconds):
    async with cluster() as here:
        here.file.build = build
        await here.create()
        begun = here.clock.wall()
        await here.bind()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason, ended.status.message) == ("Failed", reason, message)
        assert (ended.status.ended_at - begun).total_seconds() == seconds
        assert ended.status.started_at is None
        assert set(conditions(ended)) == {"Scheduled"}
        assert here.writes == 1
        here.file.build = None
        await here.start("s2")
        assert here.pod.ready


@story
async def test_an_error_in_the_call_is_told_without_secrets(monkeypatch):
    monkeypatch.setenv("VENDOR_API_KEY", "sk-very-secret")

    async def call(agent: OwnAgent) -> None:
        agent.join()
        raise PermissionError("401 for key sk-very-secret " + "x" * 3_000)

    async with cluster() as here:
        here.file.call = call
        await here.create()
        await here.bind()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Failed", "AgentError")
        assert ended.status.message.startswith("PermissionError: 401 for key [redacted] xxx")
        assert len(ended.status.message) == 1024
        assert here.agent.closes == 1


@story
async def test_a_parameter_that_nobody_takes_is_an_invalid_spec():
    async def create_agent() -> None: ...

    async def join_call(agent: object, call_type: str, call_id: str) -> None: ...

    async with cluster() as here:
        here.launcher.recipe.__init__(create_agent, join_call)  # type: ignore[misc]
        await here.create(parameters={"mood": 1})
        await here.bind()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Failed", "InvalidSpec")
        assert ended.status.message == "neither create_agent nor join_call takes the parameter mood"


@story
async def test_metrics_that_cannot_be_read_cost_only_themselves():
    async with cluster() as here:
        await here.start()
        here.agent.metrics = None
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended()
        assert (ended.status.phase, ended.status.metrics) == ("Closed", None)


@story
async def test_slow_starts_hold_up_nobody():
    async with cluster(slots=2) as here:
        here.file.build = hangs
        await here.create("slow")
        await here.bind("slow")
        await here.when(lambda: len(here.file.created) == 1)
        here.file.build = None
        before = here.clock.boot()
        await here.start("quick")
        assert here.clock.boot() - before < 0.1


# --- closing ---


@pytest.mark.parametrize(
    ("how", "reason"), [("annotation", "CloseRequested"), ("delete", "Deleted"), ("both", "CloseRequested")]
)
@story
async def test_a_close_acts_at_once(how, reason):
    async with cluster() as here:
        await here.start("s1", finalizer=True)
        await here.joined()
        asked = here.clock.wall()
        if how in ("annotation", "both"):
            await here.annotate("s1", close_requested="because")
        if how in ("delete", "both"):
            await here.delete()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Closed", reason)
        assert ended.status.ended_at == asked
        assert here.writes == 3


@story
async def test_an_empty_close_annotation_is_none():
    async with cluster() as here:
        await here.start()
        await here.annotate("s1", close_requested="")
        await asyncio.sleep(100)
        assert here.pod.sessions == 1


@story
async def test_a_close_request_stays_though_the_annotation_goes():
    async def call(agent: OwnAgent) -> None:
        agent.join()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(20)

    async with cluster() as here:
        here.file.call = call
        await here.start()
        await here.annotate("s1", close_requested="yes")
        await here.annotate("s1", close_requested="")
        ended = await here.ended()
        assert ended.status.reason == "CloseRequested"


@pytest.mark.parametrize(("leaving_seconds", "writes"), [(0.9, 3), (5.0, 4)])
@story
async def test_closing_is_written_only_if_leaving_takes_over_a_second(leaving_seconds, writes):
    async def call(agent: OwnAgent) -> None:
        agent.join()
        agent.close_seconds = leaving_seconds
        await asyncio.Event().wait()

    async with cluster() as here:
        here.file.call = call
        await here.start()
        await here.joined()
        await here.annotate("s1", close_requested="yes")
        if writes == 4:
            closing = await here.until("s1", lambda session: session.status.phase == "Closing")
            assert conditions(closing)["Ready"] == ("False", "Leaving")
            assert closing.status.reason is None
        ended = await here.ended()
        assert ended.status.phase == "Closed"
        assert here.writes == writes


@pytest.mark.parametrize("when", ["before the bind", "while it is built"])
@story
async def test_closed_before_it_ran(when):
    async with cluster() as here:
        here.file.build = hangs
        await here.create()
        if when == "before the bind":
            await here.annotate("s1", close_requested="yes")
        await here.bind()
        if when == "while it is built":
            await here.when(lambda: here.file.created != [])
            await here.annotate("s1", close_requested="yes")
        ended = await here.ended(seconds=5)
        assert (ended.status.phase, ended.status.reason) == ("Closed", "CloseRequested")
        assert ended.status.started_at is None
        assert len(here.file.created) == (0 if when == "before the bind" else 1)
        assert here.writes == 1


@story
async def test_an_agent_that_will_not_leave_is_recorded_and_its_slot_is_free_again():
    released = asyncio.Event()

    async def deaf(agent: OwnAgent) -> None:
        agent.join()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with cluster(slots=1) as here:
        here.file.call = deaf
        await here.start()
        await here.joined()
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended()
        assert ended.status.reason == "CloseRequested"
        assert "did not end within 30 s" in ended.status.message
        assert here.agent.closes == 1
        assert (here.pod.sessions, here.pod.lingering) == (0, 1)
        await here.start("s2")
        released.set()
        await here.when(lambda: here.pod.lingering == 0)


# --- slots ---


@story
async def test_a_full_pod_gives_back_and_takes_again_when_bound_anew():
    async with cluster(slots=2) as here:
        await here.start("s1")
        await here.start("s2")
        await here.create("s3")
        await here.bind("s3")
        back = await here.until("s3", lambda session: session.status.phase == "Pending")
        assert (back.status.pod_name, back.status.pod_uid, back.status.attempt) == (None, None, 1)
        scheduled = meta.find(back.status.conditions, "Scheduled")
        assert (scheduled.status, scheduled.reason) == ("False", "Returned")
        assert scheduled.message == "all 2 slots of the pod are taken"
        await here.annotate("s1", close_requested="yes")
        await here.ended("s1")
        await here.bind("s3", attempt=2)
        await here.until("s3", lambda session: session.status.phase == "Running")
        assert [item["status"]["phase"] for item in here.server.objects("agentsessions")] == [
            "Closed",
            "Running",
            "Running",
        ]


@story
async def test_the_slot_is_free_before_the_terminal_phase_can_be_seen():
    """Who reacts to the phase at once must not be sent away."""
    held: list[int] = []

    async with cluster(slots=1) as here:
        before = here.script.before

        async def look(request: Request):
            if request.body and b"endedAt" in request.body:
                held.append(here.pod.sessions)
            return await before(request)

        here.script.before = look  # type: ignore[method-assign]
        for number in range(5):
            await here.start(f"s{number}")
            await here.annotate(f"s{number}", close_requested="yes")
            await here.ended(f"s{number}")
        assert held == [0, 0, 0, 0, 0]
        assert here.pod.figures.text().count(b"greenroom_runtime_returned_total 0.0") == 1


@story
async def test_a_burst_beyond_the_slots_starts_exactly_as_many_as_there_are_slots():
    async with cluster(slots=3) as here:
        names = [f"s{number}" for number in range(10)]
        for name in names:
            await here.create(name)
        await asyncio.gather(*(here.bind(name) for name in names))
        await asyncio.sleep(1)
        phases = sorted(item["status"]["phase"] for item in here.server.objects("agentsessions"))
        assert phases == ["Pending"] * 7 + ["Running"] * 3
        assert len(here.file.created) == 3


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Scheduled", "podUID": "an earlier pod of this name"},
        {"phase": "Closed", "podUID": POD_UID, "reason": "Finished"},
        {"phase": "Pending"},
    ],
)
@story
async def test_what_is_not_this_pod_s_to_run_is_left_alone(status):
    async with cluster() as here:
        await here.create()
        await here.patch("s1", podName="pod-1", attempt=1, **status)
        await asyncio.sleep(10)
        assert here.file.created == []
        assert here.writes == 0


@story
async def test_a_session_said_to_run_in_a_process_that_never_had_it_is_ended():
    async with cluster() as here:
        await here.create()
        await here.patch("s1", podName="pod-1", podUID=POD_UID, attempt=1, phase="Running")
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Failed", "AgentError")
        assert ended.status.message == "the process that ran it is gone"


@story
async def test_a_name_that_comes_back_is_another_session():
    async with cluster() as here:
        await here.start()
        await here.annotate("s1", close_requested="yes")
        await here.ended()
        await here.delete()
        await here.start()
        assert len(here.file.agents) == 2


# --- warm-up ---


@story
async def test_sessions_that_come_before_the_pod_is_warm_wait_for_it():
    async with cluster(ready=False) as here:
        here.file.build = lambda: asyncio.sleep(20)
        await here.create()
        await here.bind()
        await asyncio.sleep(19)
        assert (here.pod.ready, len(here.file.created)) == (False, 1)
        here.file.build = None
        running = await here.until("s1", lambda session: session.status.phase == "Running")
        assert (running.status.started_at - running.metadata.creation_timestamp).total_seconds() == 20
        assert here.pod.ready


@story
async def test_closed_before_the_pod_is_warm_it_ends_at_once():
    async with cluster(ready=False) as here:
        here.file.build = lambda: asyncio.sleep(20)
        await here.create()
        await here.bind()
        await asyncio.sleep(1)
        await here.annotate("s1", close_requested="yes")
        await here.ended(seconds=1)
        assert here.writes == 1


async def hangs_whatever_happens() -> None:
    """Until time is up for the test's own agents."""
    for _ in range(20):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize(("build", "seconds"), [(raises, 0), (hangs, 60), (hangs_whatever_happens, 60)])
@story
async def test_a_warm_up_that_fails_does_not_keep_the_pod_from_serving(build, seconds):
    """What is wrong with create_agent is each session's own to say, in its status."""
    async with cluster(ready=False) as here:
        here.file.build = build
        begun = here.clock.boot()
        await here.when(lambda: here.pod.ready)
        assert here.clock.boot() - begun == pytest.approx(seconds, abs=0.02)
        here.file.build = None
        await here.start()


# --- metrics on demand ---


@story
async def test_metrics_on_demand_are_fresh():
    async with cluster() as here:
        await here.start()
        await here.joined()
        here.agent.metrics.tts_characters__total.inc(5)
        await here.annotate("s1", metrics_requested="1")
        fresh = await here.until("s1", lambda session: session.status.metrics_generated_at is not None, seconds=0.1)
        assert fresh.status.metrics.tts_characters__total == 5
        assert here.writes == 3
        await here.annotate("s1", note="something else")
        await asyncio.sleep(10)
        assert here.writes == 3


@story
async def test_metrics_on_demand_are_coalesced_to_one_write_in_two_seconds():
    async with cluster() as here:
        await here.start()
        await here.joined()
        for number in range(100):
            await here.annotate("s1", metrics_requested=str(number))
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        assert here.writes - 2 == 6
        last = await here.get()
        assert (last.status.metrics_generated_at - last.status.started_at).total_seconds() > 9.9


@story
async def test_metrics_asked_for_before_the_agent_was_built_come_with_running():
    async with cluster() as here:
        await here.create()
        await here.annotate("s1", metrics_requested="early")
        await here.bind()
        running = await here.until("s1", lambda session: session.status.phase == "Running")
        assert running.status.metrics_generated_at == running.status.started_at
        await asyncio.sleep(10)
        assert here.writes == 2


# --- figures ---


@story
async def test_the_pod_s_figures():
    async with cluster(slots=2) as here:
        await here.start("s1")
        await here.start("s2")
        await here.annotate("s1", close_requested="yes")
        await here.ended("s1")
        await here.create("s3")
        await here.bind("s3")
        await here.until("s3", lambda session: session.status.phase == "Running")
        await here.create("s4")
        await here.bind("s4")
        await here.until("s4", lambda session: session.status.phase == "Pending")
        lines = here.pod.figures.text().decode().splitlines()
        for expected in (
            "greenroom_runtime_sessions 2.0",
            "greenroom_runtime_slots 2.0",
            "greenroom_runtime_ready 1.0",
            "greenroom_runtime_starts_total 3.0",
            'greenroom_runtime_ends_total{reason="CloseRequested"} 1.0',
            "greenroom_runtime_returned_total 1.0",
        ):
            assert expected in lines
        assert any(line.startswith("greenroom_runtime_feed_silence_seconds ") for line in lines)
        assert any('request_seconds_count{status="200",verb="PATCH"}' in line for line in lines)
        assert not any("s1" in line or "call-of" in line for line in lines)


@story
async def test_the_pod_reads_its_sessions_only_by_selector_or_name():
    """A list of everything would cost the API server more the more pods there are."""
    async with cluster() as here:
        await here.start()
        lists = [item for item in here.script.seen if item.method == "GET" and item.path.endswith(SESSIONS.plural)]
        assert lists
        assert all(item.query["fieldSelector"] == "status.podName=pod-1" for item in lists)
        bodies = [msgspec.json.decode(item.body) for item in here.script.seen if item.method == "PATCH"]
        assert all(
            [op["path"] for op in body if op["op"] == "test"]
            == ["/status/phase", "/metadata/uid", "/status/podUID", "/status/attempt"]
            for body in bodies
        )
