"""`Prefer: respond-async` over a cluster: answered as soon as the object is there."""

from __future__ import annotations

import asyncio

from tests.unit.api.rig import creates, rig, virtual
from tests.unit.api.test_client_gone import Client

NO_WAIT = {"Prefer": "respond-async"}
SESSIONS = "/calls/room/sessions"


@virtual
async def test_202_as_soon_as_the_object_is_created() -> None:
    async with rig() as api:
        answer = await api.http.post(SESSIONS, headers=NO_WAIT)
        session = await api.operator.session_of("room")
        name = session.metadata.name
        assert answer.status_code == 202
        assert answer.json() == {"session_id": name, "call_id": "room", "session_started_at": None}
        assert answer.headers["location"] == f"{SESSIONS}/{name}"
        assert answer.headers["preference-applied"] == "respond-async"
        looked = await api.http.get(answer.headers["location"])
        assert (looked.status_code, looked.json()) == (200, {**answer.json(), "queue": looked.json()["queue"]})
        await api.operator.run_at_once(session)
        await api.clock.sleep(1)
        assert (await api.http.get(answer.headers["location"])).json()["session_started_at"] is not None


@virtual
async def test_nobody_withdraws_it_and_its_end_is_the_operators_to_write() -> None:
    async with rig() as api:
        body = {"limits": {"start_deadline_seconds": 1}}
        answer = await api.http.post(SESSIONS, headers=NO_WAIT, json=body)
        await api.clock.sleep(30)
        assert len(api.objects()) == 1
        assert api.sent("DELETE") == 0
        await api.operator.end(await api.operator.session_of("room"), "StartDeadline")
        await api.clock.sleep(1)
        assert (await api.http.get(answer.headers["location"])).status_code == 404
        listed = (await api.http.get("/sessions")).json()["sessions"]
        assert [item["reason"] for item in listed] == ["StartDeadline"]


@virtual
async def test_what_is_certain_is_told_at_once() -> None:
    async with rig(limits={"maxSessionsPerCall": 1}) as api:
        await api.started("room")
        assert (await api.http.post(SESSIONS, headers=NO_WAIT)).status_code == 429
        for body in ({"runtime": "nowhere"}, {"nonsense": 1}):
            answer = await api.http.post("/calls/other/sessions", headers=NO_WAIT, json=body)
            assert answer.status_code == 422, body
        assert len(api.objects()) == 1


@virtual
async def test_a_key_joins_what_was_begun_whether_it_waits_or_not() -> None:
    async with rig() as api:
        keyed = {"Idempotency-Key": "k"}
        first = await api.http.post(SESSIONS, headers={**NO_WAIT, **keyed})
        again = await api.http.post(SESSIONS, headers={**NO_WAIT, **keyed})
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()
        waiting = api.post("room", key="k")
        await api.operator.run_at_once(await api.operator.session_of("room"))
        assert (await waiting).status_code == 201
        late = await api.http.post(SESSIONS, headers={**NO_WAIT, **keyed})
        assert (late.status_code, late.json()) == (201, (await waiting).json()), "what is known already is told"
        assert len(api.objects()) == 1


@virtual
async def test_a_client_that_is_gone_before_its_202_leaves_nothing() -> None:
    async with rig() as api:
        api.faults.add(creates, delay_before_seconds=2.0)
        gone = Client(api, "room", prefer="respond-async")
        await api.until(lambda: api.sent("POST") == 1)
        gone.hang_up()
        await gone.request
        await api.operator.session_of("room")
        await api.until(lambda: not api.objects(), seconds=5)


@virtual
async def test_a_server_that_leaves_starts_nothing() -> None:
    async with rig() as api:
        api.backend.leave()
        assert (await api.http.post(SESSIONS, headers=NO_WAIT)).status_code == 503
        await asyncio.sleep(0)
        assert not api.objects()
