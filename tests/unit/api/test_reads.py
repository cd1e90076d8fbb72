"""GET of one session and of its metrics: from the feed, fresh on demand, one write for all who ask."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.apiserver.faults import reads
from tests.unit.api.rig import patches, rig, virtual

from greenroom_core.model.metrics import SessionMetrics, every_figure


@virtual
async def test_known_sessions_are_read_from_the_feed_alone() -> None:
    async with rig() as api:
        name = await api.started("room")
        before = len(api.faults.seen)
        for _ in range(5):
            assert (await api.http.get(f"/calls/room/sessions/{name}")).status_code == 200
        assert len(api.faults.seen) == before


@virtual
async def test_a_miss_is_asked_of_the_api_server_once() -> None:
    async with rig() as api:
        before = len(api.faults.seen)
        answer = await api.http.get("/calls/room/sessions/nobody")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Session with id 'nobody' not found"})
        assert [request.method for request in api.faults.seen[before:]] == ["GET"]


@pytest.mark.parametrize("name", ["..", "A", "a_b", "%2e%2e", "a%00b", "x" * 254])
@virtual
async def test_what_cannot_be_a_name_is_404_and_not_asked(name: str) -> None:
    async with rig() as api:
        before = len(api.faults.seen)
        assert (await api.http.get(f"/calls/room/sessions/{name}/metrics")).status_code == 404
        assert len(api.faults.seen) == before


@virtual
async def test_another_calls_and_ended_sessions_are_404() -> None:
    async with rig() as api:
        name = await api.started("room")
        for tail in ("", "/metrics"):
            assert (await api.http.get(f"/calls/hall/sessions/{name}{tail}")).status_code == 404
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        await api.clock.sleep(0.1)
        for tail in ("", "/metrics"):
            assert (await api.http.get(f"/calls/room/sessions/{name}{tail}")).status_code == 404


@virtual
async def test_an_unreachable_api_server_is_503_on_a_miss_and_nothing_on_a_hit() -> None:
    async with rig() as api:
        name = await api.started("room")
        api.server.stop()
        assert (await api.http.get(f"/calls/room/sessions/{name}")).status_code == 200
        answer = await api.http.get("/calls/room/sessions/nobody")
        assert (answer.status_code, answer.json()) == (503, {"detail": "The sessions cannot be reached now; try again"})


@virtual
async def test_a_waiting_session_is_shown_without_a_start() -> None:
    async with rig() as api:
        posting = api.post("room", {"limits": {"start_deadline_seconds": 2}})
        name = (await api.operator.session_of("room")).metadata.name
        assert (await api.http.get(f"/calls/room/sessions/{name}")).json()["session_started_at"] is None
        figures = (await api.http.get(f"/calls/room/sessions/{name}/metrics")).json()
        assert figures["metrics_generated_at"] is None
        assert api.sent("PATCH") == 0
        await posting


@virtual
async def test_metrics_have_all_25_names_and_fall_back_to_the_start() -> None:
    async with rig() as api:
        name = await api.started("room")
        answer = await api.http.get(f"/calls/room/sessions/{name}/metrics")
        body = answer.json()
        assert answer.status_code == 200
        assert len(body["metrics"]) == 25
        assert body["metrics"] == every_figure(SessionMetrics())
        assert body["metrics_generated_at"] == body["session_started_at"]
        assert (body["session_id"], body["call_id"]) == (name, "room")


@virtual
async def test_old_metrics_are_asked_for_and_waited_for() -> None:
    async with rig() as api:
        name = await api.started("room")
        session = await api.operator.session_of("room")
        await api.operator.figures(session, llm_input_tokens__total=1)
        await api.clock.sleep(10)
        asking = asyncio.create_task(api.http.get(f"/calls/room/sessions/{name}/metrics"))
        await api.operator.seen(lambda s: "greenroom.dev/metrics-requested" in s.metadata.annotations)
        await api.clock.sleep(0.3)
        begun = api.clock.boot()
        written = await api.operator.figures(session, llm_input_tokens__total=2)
        body = (await asking).json()
        assert api.clock.boot() - begun < 0.1
        assert body["metrics"]["llm_input_tokens__total"] == 2
        at = written.status.metrics_generated_at
        assert at is not None
        assert body["metrics_generated_at"] == at.isoformat().replace("+00:00", "Z")


@virtual
async def test_fresh_metrics_are_answered_as_they_are() -> None:
    async with rig() as api:
        name = await api.started("room")
        await api.operator.figures(await api.operator.session_of("room"), llm_input_tokens__total=1)
        await api.clock.sleep(1.9)
        body = (await api.http.get(f"/calls/room/sessions/{name}/metrics")).json()
        assert body["metrics"]["llm_input_tokens__total"] == 1
        assert api.sent("PATCH") == 0


@virtual
async def test_a_silent_pod_costs_a_bounded_wait_and_gives_what_there_is() -> None:
    async with rig() as api:
        name = await api.started("room")
        await api.operator.figures(await api.operator.session_of("room"), llm_input_tokens__total=1)
        await api.clock.sleep(10)
        begun = api.clock.boot()
        body = (await api.http.get(f"/calls/room/sessions/{name}/metrics")).json()
        assert api.clock.boot() - begun == pytest.approx(1.5, abs=0.05)
        assert body["metrics"]["llm_input_tokens__total"] == 1


@virtual
async def test_many_askers_are_one_write_and_one_in_two_seconds() -> None:
    async with rig() as api:
        name = await api.started("room")
        path = f"/calls/room/sessions/{name}/metrics"
        answers = await asyncio.gather(*(api.http.get(path) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert api.sent("PATCH") == 1
        await api.http.get(path)
        assert api.sent("PATCH") == 1
        await api.clock.sleep(2.1)
        await api.http.get(path)
        assert api.sent("PATCH") == 2
        values = [request.body for request in api.faults.seen if request.method == "PATCH"]
        assert values[0] != values[1], "a new value each time"


@virtual
async def test_one_asker_going_away_does_not_disturb_the_others() -> None:
    async with rig() as api:
        name = await api.started("room")
        path = f"/calls/room/sessions/{name}/metrics"
        first, second = (asyncio.create_task(api.http.get(path)) for _ in range(2))
        await api.operator.seen(lambda s: "greenroom.dev/metrics-requested" in s.metadata.annotations)
        first.cancel()
        await api.operator.figures(await api.operator.session_of("room"), llm_input_tokens__total=3)
        assert (await second).json()["metrics"]["llm_input_tokens__total"] == 3


@virtual
async def test_age_is_not_judged_by_another_machines_clock() -> None:
    async with rig() as api:
        name = await api.started("room")
        session = await api.operator.session_of("room")
        await api.operator._status(
            session, {"metrics": {"llm_input_tokens__total": 1}, "metricsGeneratedAt": "2099-01-01T00:00:00Z"}
        )
        await api.clock.sleep(10)
        await api.http.get(f"/calls/room/sessions/{name}/metrics")
        assert api.sent("PATCH") == 1


@virtual
async def test_metrics_in_an_outage_are_the_last_known() -> None:
    async with rig() as api:
        name = await api.started("room")
        await api.operator.figures(await api.operator.session_of("room"), llm_input_tokens__total=1)
        await api.clock.sleep(10)
        api.faults.add(patches, times=10_000, drop_request=True)
        api.faults.add(reads, times=10_000, drop_request=True)
        begun = api.clock.boot()
        answer = await api.http.get(f"/calls/room/sessions/{name}/metrics")
        assert answer.json()["metrics"]["llm_input_tokens__total"] == 1
        assert api.clock.boot() - begun <= 1.6


@virtual
async def test_a_session_that_ends_while_its_metrics_are_asked_for_is_404() -> None:
    async with rig() as api:
        name = await api.started("room")
        asking = asyncio.create_task(api.http.get(f"/calls/room/sessions/{name}/metrics"))
        await api.operator.seen(lambda s: "greenroom.dev/metrics-requested" in s.metadata.annotations)
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        assert (await asking).status_code == 404
