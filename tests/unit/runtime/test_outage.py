"""No answer of the API server but a read of the session itself ends an agent; what is to be written waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.fakes.apiserver.faults import reads, refusal, watches, writes
from tests.unit.runtime.agents import OwnAgent
from tests.unit.runtime.cluster import Cluster, cluster
from tests.unit.runtime.stories import story

from greenroom.runtime import report
from greenroom_core.kube.transport import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable


def writes_of(field: str) -> Callable[[Request], bool]:
    """The pod's writes that hold this status field."""
    return lambda request: request.method == "PATCH" and f'"/status/{field}"'.encode() in (request.body or b"")


async def ten_seconds(agent: OwnAgent) -> None:
    await asyncio.sleep(1)
    agent.join()
    await asyncio.sleep(9)


async def lived(here: Cluster) -> None:
    """The session has had its whole call, and all of it is in its status."""
    ended = await here.ended(seconds=300)
    assert (ended.status.phase, ended.status.reason) == ("Closed", "Finished")
    assert (ended.status.ended_at - ended.status.started_at).total_seconds() == 10
    assert (ended.status.joined_at - ended.status.started_at).total_seconds() == 1
    assert {item.type: item.status.value for item in ended.status.conditions} == {
        "Scheduled": "True",
        "Ready": "False",
        "Joined": "False",
    }
    assert len(here.file.joined) == 1
    assert here.agent.closes == 1


FAULTS = {
    "409": {"answer": refusal(409, "Conflict")},
    "422 without causes": {"answer": refusal(422, "Invalid")},
    "404": {"answer": refusal(404, "NotFound")},
    "403": {"answer": refusal(403, "Forbidden")},
    "401": {"answer": refusal(401, "Unauthorized")},
    "500": {"answer": refusal(500, "InternalError")},
    "429": {"answer": refusal(429, "TooManyRequests", retry_after=1)},
    "connection refused": {"never_sent": True},
    "request lost": {"drop_request": True},
    "reply lost": {"drop_reply": True},
    "reply late": {"delay_after_seconds": 3.0},
    "no answer in time, carried out": {"delay_after_seconds": 40.0},
    "no answer in time, carried out late": {"delay_before_seconds": 40.0},
}


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("field", ["startedAt", "joinedAt", "endedAt"])
@pytest.mark.parametrize("fault", FAULTS)
@story
async def test_no_answer_to_a_write_is_a_verdict(fault, field, times):
    async with cluster(drain_timeout_seconds=1_000) as here:
        here.file.call = ten_seconds
        here.script.add(writes_of(field), times, **FAULTS[fault])
        await here.create()
        await here.bind()
        await lived(here)
        await asyncio.sleep(100)  # for what is still on its way
        ended = await here.get()
        assert (ended.status.phase, ended.status.reason) == ("Closed", "Finished")
        assert here.writes <= 3


@pytest.mark.parametrize("status", [401, 403, 404, 500])
@story
async def test_a_read_that_is_refused_is_no_verdict_either(status):
    """Only `NotFound` for the session itself is: a server that does not know the path yet says 404 too."""
    async with cluster() as here:
        here.file.call = ten_seconds
        here.script.add(writes_of("joinedAt"), answer=refusal(409, "Conflict"))
        here.script.add(reads, 5, answer=refusal(status, "Whatever"))
        await here.create()
        await here.bind()
        await lived(here)
        assert here.writes <= 3


@story
async def test_calls_outlive_an_outage_and_what_was_to_be_written_is():
    async with cluster() as here:
        here.file.call = ten_seconds
        await here.start("s1")
        here.file.call = lambda agent: asyncio.sleep(10_000)
        await here.start("s2")
        here.server.stop()
        await asyncio.sleep(600)
        assert here.file.agents[0].closes == 1
        assert here.file.agents[1].closes == 0
        assert here.pod.ready
        here.server.start()
        ended = await here.ended("s1", seconds=6)
        assert (ended.status.ended_at - ended.status.started_at).total_seconds() == 10
        assert ended.status.joined_at is not None
        assert here.pod.sessions == 1
        # Running twice before the outage, and everything else of s1 in one.
        assert here.writes == 3


@story
async def test_an_outage_is_not_hammered():
    async with cluster() as here:
        here.file.call = ten_seconds
        await here.start("s1")
        here.server.stop()
        await asyncio.sleep(20)
        here.script.seen.clear()
        await asyncio.sleep(600)
        of_the_session = [request for request in here.script.seen if not watches(request)]
        assert len(of_the_session) < 600
        here.server.start()


@story
async def test_an_end_while_running_hangs_costs_one_more_write():
    async def call(agent: OwnAgent) -> None:
        agent.join()
        await asyncio.sleep(2)
        agent.join()

    async with cluster() as here:
        here.file.call = call
        here.script.add(writes_of("startedAt"), delay_after_seconds=10.0)
        await here.create()
        await here.bind()
        ended = await here.ended()
        assert ended.status.reason == "Finished"
        assert None not in (ended.status.started_at, ended.status.joined_at, ended.status.ended_at)
        assert here.writes == 2


@story
async def test_a_write_that_arrives_late_undoes_nothing():
    """The client gave Running up after 15 s; it reaches the server when the session has long been Closed."""

    async def call(agent: OwnAgent) -> None:
        await asyncio.sleep(1)

    async with cluster() as here:
        here.file.call = call
        here.script.add(writes_of("startedAt"), delay_before_seconds=60.0)
        await here.create()
        await here.bind()
        await here.ended(seconds=30)
        await asyncio.sleep(60)
        assert here.refused == 1
        assert (await here.get()).status.phase == "Closed"


def refused_for(*fields: str) -> Answer:
    causes = [{"field": field, "message": "Invalid value", "reason": "FieldValueInvalid"} for field in fields]
    status = {"kind": "Status", "code": 422, "reason": "Invalid", "message": "no", "details": {"causes": causes}}
    return Answer(422, msgspec.json.encode(status))


@pytest.mark.parametrize("cause", ["status.metrics.llm_latency_ms__avg", "status", ""])
@story
async def test_a_field_that_the_schema_refuses_is_dropped_and_the_rest_written(cause, caplog):
    async with cluster() as here:
        here.file.call = ten_seconds
        here.script.add(writes_of("metrics"), 1_000, answer=refused_for(cause))
        await here.create()
        await here.bind()
        ended = await here.ended()
        assert (ended.status.phase, ended.status.reason) == ("Closed", "Finished")
        assert ended.status.metrics is None
        assert any("the API server refuses" in record.message for record in caplog.records)


@story
async def test_a_status_that_is_refused_as_a_whole_ends_no_call():
    async with cluster() as here:
        await here.create()
        here.script.add(writes, 20, answer=refused_for("status.phase"))
        await here.bind()
        await here.until("s1", lambda session: session.status.phase == "Running")
        assert here.pod.sessions == 1
        assert len(here.file.agents) == 1


# --- absence is not proof; a read is ---


async def moved_to_another_pod(here: Cluster) -> None:
    await here.patch("s1", podName="pod-2", podUID="uid-of-pod-2", attempt=2, phase="Scheduled")


async def bound_again_to_this_pod(here: Cluster) -> None:
    await here.patch("s1", attempt=2, phase="Scheduled")


async def taken_back(here: Cluster) -> None:
    await here.patch("s1", podName=None, podUID=None, phase="Pending")


async def failed_by_the_operator(here: Cluster) -> None:
    await here.patch("s1", phase="Failed", reason="PodLost")


async def gone(here: Cluster) -> None:
    await here.delete("s1")


async def gone_and_made_again(here: Cluster) -> None:
    await here.delete("s1")
    await here.create("s1")


@pytest.mark.parametrize(
    "happens",
    [moved_to_another_pod, bound_again_to_this_pod, taken_back, failed_by_the_operator, gone, gone_and_made_again],
)
@story
async def test_an_attempt_that_is_another_s_now_ends_at_once_and_nothing_is_written(happens):
    async with cluster() as here:
        await here.start()
        await here.joined()
        first = here.agent
        await happens(here)
        before = here.clock.boot()
        await here.when(lambda: first.closes == 1, seconds=1)
        assert here.clock.boot() - before <= 0.02
        await asyncio.sleep(30)
        body = next(iter(here.server.objects("agentsessions")), {"status": {}})
        assert "endedAt" not in body["status"]
        expected = 4 if happens is bound_again_to_this_pod else 2
        assert here.writes == expected
        assert b'ends_total{reason="Lost"} 1.0' in here.pod.figures.text()


@story
async def test_a_session_that_leaves_the_selection_but_is_still_ours_goes_on():
    async with cluster() as here:
        await here.start()
        await here.patch("s1", podName="a name that is not ours")
        await asyncio.sleep(10)
        assert here.agent.closes == 0
        await here.patch("s1", podName="pod-1")
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended()
        assert ended.status.reason == "CloseRequested"
        assert len(here.file.agents) == 1


@story
async def test_a_session_lost_during_an_outage_ends_at_the_first_contact():
    async with cluster() as here:
        await here.start()
        await here.joined()
        here.transport.hold()
        await moved_to_another_pod(here)
        await asyncio.sleep(500)
        assert here.agent.closes == 0
        here.transport.release()
        await here.when(lambda: here.agent.closes == 1, seconds=10)


@pytest.mark.parametrize("how", ["cut", "ended", "compacted", "server restarted"])
@story
async def test_a_close_request_made_while_the_watch_was_down_is_found(how):
    async with cluster() as here:
        await here.start()
        here.script.add(watches, 3, answer=refusal(500, "InternalError"))
        match how:
            case "cut":
                here.transport.cut_watches()
            case "ended":
                here.transport.end_watches()
            case "compacted":
                here.transport.cut_watches()
                here.server.compact()
            case _:
                here.server.stop()
                here.server.start()
        await here.annotate("s1", close_requested="yes")
        ended = await here.ended(seconds=10)
        assert ended.status.reason == "CloseRequested"


@story
async def test_a_giving_back_whose_answer_is_lost_is_not_repeated_on_the_next_attempt():
    async with cluster(slots=1) as here:
        await here.start("s1")
        await here.create("s2")
        here.script.add(writes_of("podUID"), drop_reply=True)
        await here.bind("s2")
        await here.until("s2", lambda session: session.status.phase == "Pending")
        await here.annotate("s1", close_requested="yes")
        await here.ended("s1")
        await here.bind("s2", attempt=2)
        await here.until("s2", lambda session: session.status.phase == "Running")
        await asyncio.sleep(60)
        assert (await here.get("s2")).status.phase == "Running"


@pytest.mark.parametrize("fault", FAULTS)
@story
async def test_giving_back_survives_every_fault(fault):
    async with cluster(slots=1) as here:
        await here.start("s1")
        await here.create("s2")
        here.script.add(writes_of("podUID"), 2, **FAULTS[fault])
        await here.bind("s2")
        await here.until("s2", lambda session: session.status.phase == "Pending")
        assert len(here.file.agents) == 1


def broken(*_: object) -> None:
    raise AssertionError("a bug")


@story
async def test_a_fault_of_the_runtime_s_own_ends_that_session_and_is_no_other_s(monkeypatch):
    async with cluster(slots=2) as here:
        await here.start("s1")
        monkeypatch.setattr(report, "running", broken)
        await here.create("s2")
        await here.bind("s2")
        failed = await here.ended("s2")
        assert (failed.status.phase, failed.status.reason) == ("Failed", "AgentError")
        assert failed.status.message == "the runtime failed: AssertionError: a bug"
        monkeypatch.undo()
        assert [agent.closes for agent in here.file.agents] == [0, 1]
        assert here.pod.sessions == 1
        await here.annotate("s1", close_requested="yes")
        await here.ended("s1")
        await here.start("s3")


@story
async def test_a_fault_in_reporting_the_join_ends_nothing(monkeypatch):
    async with cluster() as here:
        monkeypatch.setattr(report, "joined", broken)
        here.file.call = ten_seconds
        await here.create()
        await here.bind()
        ended = await here.ended()
        assert ended.status.reason == "Finished"
