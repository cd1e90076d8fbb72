"""The seven endpoints over one process's launcher: statuses, bodies and texts that clients rely on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.runtime.stories import story
from tests.unit.serve.rig import application, client, files, serving

from greenroom.launcher import AgentLauncher
from greenroom.observability import AgentMetrics
from greenroom.options import ServeOptions
from greenroom.serve import fast_api, lifespan
from greenroom_core.model.metrics import every_figure

NOT_FOUND = {"detail": "Session with id 'nobody' not found"}


@pytest.mark.parametrize("body", [None, b"", b"{}", b"null", b'{"call_type": "default"}'])
@story
async def test_a_start_is_201_with_three_fields_and_needs_no_body(body):
    async with serving() as server:
        answer = await server.http.post("/calls/my-call-123/sessions", content=body)
        assert answer.status_code == 201
        started = answer.json()
        assert list(started) == ["session_id", "call_id", "session_started_at"]
        assert started["call_id"] == "my-call-123"
        assert server.launcher.get_session(started["session_id"]).agent is server.file.agents[-1]
        await server.turn()
        assert server.file.joined == [("default", "my-call-123", {})]


@story
async def test_call_type_and_parameters_reach_the_agent_file():
    async with serving() as server:
        await server.started("room", call_type="phone", parameters={"question": "why"})
        await server.turn()
        assert server.file.joined == [("phone", "room", {"question": "why"})]
        assert server.file.created[-1] == {"question": "why"}


@story
async def test_a_session_started_at_is_one_moment_wherever_it_is_told():
    async with serving() as server:
        await server.file.clock.sleep(0.123456)
        begun = (await server.http.post("/calls/room/sessions")).json()
        await server.file.clock.sleep(7)
        path = f"/calls/room/sessions/{begun['session_id']}"
        looked = await server.http.get(path)
        assert (looked.status_code, looked.json()) == (200, begun)
        assert (await server.http.get(f"{path}/metrics")).json()["session_started_at"] == begun["session_started_at"]
        listed = (await server.http.get("/sessions")).json()["sessions"][0]
        assert listed["session_started_at"] == begun["session_started_at"]


@story
async def test_metrics_are_all_25_and_of_this_moment():
    async with serving() as server:
        session_id = await server.started()
        metrics: AgentMetrics = server.file.agents[-1].metrics
        metrics.llm_input_tokens__total.inc(7)
        await server.file.clock.sleep(0.5)
        answer = await server.http.get(f"/calls/room/sessions/{session_id}/metrics")
        body = answer.json()
        fields = ["session_id", "call_id", "session_started_at", "metrics_generated_at", "metrics"]
        assert (answer.status_code, list(body)) == (200, fields)
        assert body["metrics"] == {**every_figure(None), "llm_input_tokens__total": 7}
        age = datetime.fromisoformat(body["metrics_generated_at"]) - server.file.clock.wall()
        assert abs(age) < timedelta(milliseconds=1)


@pytest.mark.parametrize("method_and_tail", [("DELETE", ""), ("POST", "/close")])
@story
async def test_a_close_is_202_and_empty_and_carried_out_at_once(method_and_tail):
    method, tail = method_and_tail
    async with serving() as server:
        session_id = await server.started()
        path = f"/calls/room/sessions/{session_id}"
        answer = await server.http.request(method, path + tail)
        assert (answer.status_code, answer.content) == (202, b"")
        await server.turn()
        assert server.file.agents[-1].closes == 1
        assert (await server.http.get(path)).status_code == 404


@story
async def test_a_session_is_known_while_its_agent_is_leaving():
    file = files()
    async with serving(file, max_sessions_per_call=1) as server:
        session_id = await server.started()
        file.agents[-1].close_seconds = 5.0
        path = f"/calls/room/sessions/{session_id}"
        assert (await server.http.delete(path)).status_code == 202
        await file.clock.sleep(2)
        assert (await server.http.get(path)).status_code == 200
        assert (await server.http.post("/calls/room/sessions")).status_code == 429
        assert [s["phase"] for s in (await server.http.get("/sessions")).json()["sessions"]] == ["Closing"]
        await file.clock.sleep(4)
        assert (await server.http.get(path)).status_code == 404
        assert (await server.http.post("/calls/room/sessions")).status_code == 201


@story
async def test_unknown_and_another_calls_sessions_are_404():
    async with serving() as server:
        session_id = await server.started("room")
        for method, tail in (("GET", ""), ("GET", "/metrics"), ("DELETE", ""), ("POST", "/close")):
            answer = await server.http.request(method, f"/calls/room/sessions/nobody{tail}")
            assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
            answer = await server.http.request(method, f"/calls/other/sessions/{session_id}{tail}")
            assert answer.status_code == 404
        assert server.launcher.get_session(session_id) is not None


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("max_concurrent_sessions", "Reached maximum number of concurrent sessions"),
        ("max_sessions_per_call", "Reached maximum number of sessions for this call"),
    ],
)
@story
async def test_a_limit_is_429_with_retry_after(limit, text):
    async with serving(**{limit: 1}) as server:
        await server.started("room")
        answer = await server.http.post("/calls/room/sessions")
        assert (answer.status_code, answer.json()) == (429, {"detail": text})
        assert int(answer.headers["retry-after"]) > 0


@story
async def test_an_agent_that_cannot_be_built_is_500_without_its_text():
    file = files()
    async with serving(file) as server:

        async def explode() -> None:
            raise RuntimeError("the key is 1234")

        file.build = explode
        answer = await server.http.post("/calls/room/sessions")
        assert (answer.status_code, answer.json()) == (500, {"detail": "Failed to start agent"})


@story
async def test_a_start_that_hangs_ends_at_its_timeout_and_holds_up_nobody():
    file = files()
    async with serving(file, start_timeout_seconds=10.0) as server:
        file.build = asyncio.Event().wait  # type: ignore[assignment]
        hanging = asyncio.create_task(server.http.post("/calls/slow/sessions"))
        await server.turn()
        file.build = None
        assert (await server.http.post("/calls/quick/sessions")).status_code == 201
        answer = await hanging
        assert (answer.status_code, answer.json()) == (500, {"detail": "Failed to start agent"})


@pytest.mark.parametrize("call_id", ["Room", "a b", "a.b", "é", "a" * 256, "a%0a", "*"])
@story
async def test_a_bad_call_id_is_400_everywhere(call_id):
    async with serving() as server:
        for method, tail in (
            ("POST", ""),
            ("GET", "/s"),
            ("DELETE", "/s"),
            ("POST", "/s/close"),
            ("GET", "/s/metrics"),
        ):
            answer = await server.http.request(method, f"/calls/{call_id}/sessions{tail}")
            assert answer.status_code == 400, (method, tail)
        assert len(server.file.created) == 1, "nothing but the warm-up's agent was built"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runtime", "gpu"),
        ("priority", 1),
        ("restart_policy", "OnPodLoss"),
        ("ttl_seconds_after_finished", 60),
        ("labels", {"team": "blue"}),
    ],
)
@story
async def test_what_one_node_cannot_honour_is_refused_by_name(field, value):
    async with serving() as server:
        answer = await server.http.post("/calls/room/sessions", json={field: value})
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(f"{field}: ")
        assert not server.launcher.sessions


@story
async def test_what_one_node_does_anyway_may_be_said():
    async with serving() as server:
        body = {"runtime": "default", "priority": 0, "restart_policy": "Never", "labels": {}}
        await server.started("room", **body, limits={"start_deadline_seconds": 1})


@story
async def test_a_sessions_own_limits_hold():
    async with serving() as server:
        begun = await server.started("long", limits={"max_duration_seconds": 30})
        lonely = await server.started("lonely", limits={"idle_timeout_seconds": 10})
        server.file.agents[-1].alone()
        await server.file.clock.sleep(9)
        assert server.launcher.get_session(lonely) is not None
        await server.file.clock.sleep(2)
        assert server.launcher.get_session(lonely) is None
        await server.file.clock.sleep(18)
        assert server.launcher.get_session(begun) is not None
        await server.file.clock.sleep(2)
        listed = (await server.http.get("/sessions")).json()["sessions"]
        assert {item["call_id"]: item["reason"] for item in listed} == {"long": "MaxDuration", "lonely": "Idle"}


@story
async def test_parameters_that_nobody_takes_are_422():
    async def create_agent():
        return files().make(files().clock)

    async def join_call(agent, call_type, call_id):
        await asyncio.Event().wait()

    file = files()
    launcher = AgentLauncher(create_agent, join_call, clock=file.clock)
    app = fast_api(launcher, ServeOptions(), clock=file.clock)
    async with client(app) as http, lifespan(app):
        answer = await http.post("/calls/room/sessions", json={"parameters": {"mood": "bright"}})
        assert answer.status_code == 422
        assert "mood" in answer.json()["detail"]


# --- probes, listings ---


@story
async def test_ready_is_503_until_the_agent_is_warm_and_health_never_is():
    file = files()
    app, launcher = application(file)
    async with client(app) as http:
        answer = await http.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"detail": "Server is not ready to accept requests"})
        assert ((await http.get("/health")).status_code, (await http.get("/health")).content) == (200, b"")
        async with lifespan(app):
            assert launcher.ready
            answer = await http.get("/ready")
            assert (answer.status_code, answer.content) == (200, b"")
        assert not launcher.running
        assert (await http.get("/ready")).status_code == 503


@pytest.mark.parametrize("ready_when_full", [True, False])
@story
async def test_a_full_server_is_unready_only_if_asked_to_be(ready_when_full):
    options = ServeOptions(ready_when_full=ready_when_full)
    async with serving(options=options, max_concurrent_sessions=1) as server:
        session_id = await server.started()
        assert (await server.http.get("/ready")).status_code == (200 if ready_when_full else 503)
        await server.launcher.close_session(session_id, wait=True)
        assert (await server.http.get("/ready")).status_code == 200


@story
async def test_a_drain_is_unready_and_starts_nothing_but_answers_on():
    async with serving() as server:
        session_id = await server.started()
        server.app.state.backend.leave()
        draining = asyncio.create_task(server.launcher.drain(60))
        await server.turn()
        assert (await server.http.get("/ready")).status_code == 503
        answer = await server.http.post("/calls/other/sessions")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        path = f"/calls/room/sessions/{session_id}"
        assert (await server.http.get(path)).status_code == 200
        assert (await server.http.delete(path)).status_code == 202
        assert await draining is True


@story
async def test_listings_tell_ends_filter_and_page():
    file = files()
    async with serving(file) as server:
        names = []
        for number in range(5):
            names.append(await server.started("even" if number % 2 == 0 else "odd"))
            await file.clock.sleep(1)
        await server.launcher.close_session(names[0], wait=True)
        first = (await server.http.get("/sessions", params={"limit": 3})).json()
        rest = (await server.http.get("/sessions", params={"limit": 3, "after": first["next"]})).json()
        assert [s["session_id"] for s in first["sessions"] + rest["sessions"]] == names[::-1]
        assert rest["next"] is None
        ended = (await server.http.get("/calls/even/sessions", params={"phase": "Closed"})).json()["sessions"]
        assert [(s["session_id"], s["reason"]) for s in ended] == [(names[0], "CloseRequested")]
        assert ended[0]["pod"] == server.launcher.registry.node_id
        assert (await server.http.get("/sessions", params={"runtime": "gpu"})).json()["sessions"] == []
        assert (await server.http.get("/sessions", params={"after": "?"})).status_code == 422


@story
async def test_prometheus_figures_count_sessions_and_name_none():
    async with serving() as server:
        session_id = await server.started("room")
        text = (await server.http.get("/metrics")).text
        assert "greenroom_api_sessions 1.0" in text
        assert 'greenroom_api_start_seconds_count{status="201"} 1.0' in text
        assert session_id not in text


@story
async def test_moments_are_utc():
    async with serving() as server:
        begun = (await server.http.post("/calls/room/sessions")).json()
        assert datetime.fromisoformat(begun["session_started_at"]).tzinfo == UTC
