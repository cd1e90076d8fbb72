"""Close requests: on record when answered, acted on at once, never lost in a doubt."""

from __future__ import annotations

import pytest
from tests.fakes.apiserver.faults import refusal
from tests.unit.api.rig import NAMESPACE, patches, rig, virtual

from greenroom_core.kube.kinds import SESSIONS


@pytest.mark.parametrize(("method", "tail"), [("DELETE", ""), ("POST", "/close")])
@virtual
async def test_a_close_request_is_on_the_object_when_it_is_answered(method: str, tail: str) -> None:
    async with rig() as api:
        name = await api.started("room")
        answer = await api.http.request(method, f"/calls/room/sessions/{name}{tail}")
        assert (answer.status_code, answer.content) == (202, b"")
        assert (await api.operator.client.get(SESSIONS, NAMESPACE, name)).close_requested
        assert api.sent("PATCH") == 1


@virtual
async def test_a_second_request_writes_nothing() -> None:
    async with rig() as api:
        name = await api.started("room")
        for _ in range(3):
            assert (await api.http.delete(f"/calls/room/sessions/{name}")).status_code == 202
        assert api.sent("PATCH") == 1


@virtual
async def test_an_unanswered_one_is_repeated() -> None:
    async with rig() as api:
        name = await api.started("room")
        api.faults.add(patches, drop_request=True)
        api.faults.add(patches, drop_reply=True)
        api.faults.add(patches, answer=refusal(500, "InternalError"))
        assert (await api.http.delete(f"/calls/room/sessions/{name}")).status_code == 202
        assert (await api.operator.client.get(SESSIONS, NAMESPACE, name)).close_requested


@virtual
async def test_no_answer_at_all_is_503_not_202() -> None:
    async with rig() as api:
        name = await api.started("room")
        api.faults.add(patches, times=10_000, drop_request=True)
        begun = api.clock.boot()
        answer = await api.http.delete(f"/calls/room/sessions/{name}")
        assert answer.status_code == 503
        assert api.clock.boot() - begun < 30
        assert not (await api.operator.client.get(SESSIONS, NAMESPACE, name)).close_requested


@virtual
async def test_unknown_ended_and_other_calls_sessions_are_404() -> None:
    async with rig() as api:
        name = await api.started("room")
        assert (await api.http.delete(f"/calls/hall/sessions/{name}")).status_code == 404
        answer = await api.http.delete("/calls/room/sessions/nobody")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Session with id 'nobody' not found"})
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        await api.clock.sleep(0.1)
        assert (await api.http.delete(f"/calls/room/sessions/{name}")).status_code == 404
        assert api.sent("PATCH") == 0


@virtual
async def test_gone_in_the_same_moment_is_404() -> None:
    async with rig() as api:
        name = await api.started("room")
        api.faults.add(patches, answer=refusal(404, "NotFound"))
        assert (await api.http.delete(f"/calls/room/sessions/{name}")).status_code == 404
        assert (await api.http.get("/calls/room/sessions")).json()["sessions"] == []


@virtual
async def test_a_session_of_another_replica_is_closed_before_the_feed_has_it() -> None:
    async with rig() as api:
        api.faults.lag_seconds = 30.0
        body = {"apiVersion": "greenroom.dev/v1alpha1", "kind": "AgentSession", "spec": {"callId": "room"}}
        await api.operator.client.create(SESSIONS, NAMESPACE, {**body, "metadata": {"name": "by-hand"}})
        assert (await api.http.get("/calls/room/sessions/by-hand")).status_code == 200
        assert (await api.http.delete("/calls/room/sessions/by-hand")).status_code == 202


@virtual
async def test_a_waiting_session_can_be_closed_and_its_start_is_told() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        assert (await api.http.delete(f"/calls/room/sessions/{session.metadata.name}")).status_code == 202
        await api.operator.end(session, "CloseRequested")
        assert (await posting).status_code == 409
