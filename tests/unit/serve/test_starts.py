"""Starts that nobody waits for: respond-async, Idempotency-Key, clients that go away, a server that leaves."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.api.test_client_gone import Client
from tests.unit.runtime.agents import ForeignAgent
from tests.unit.runtime.stories import story
from tests.unit.serve.rig import files, serving

from greenroom.serve import keys

NO_WAIT = {"Prefer": "respond-async"}


def slow(seconds: float):
    file = files()
    file.build = lambda: file.clock.sleep(seconds)
    return file


# --- Prefer: respond-async ---


@story
async def test_respond_async_is_202_at_once_and_the_session_can_be_looked_at():
    file = slow(5)
    async with serving(file) as server:
        before = file.clock.boot()
        answer = await server.http.post("/calls/room/sessions", headers=NO_WAIT)
        assert file.clock.boot() - before < 0.001
        assert answer.status_code == 202
        body = answer.json()
        assert list(body) == ["session_id", "call_id", "session_started_at"]
        assert body["session_started_at"] is None
        assert answer.headers["preference-applied"] == "respond-async"
        path = answer.headers["location"]
        assert path == f"/calls/room/sessions/{body['session_id']}"
        looked = await server.http.get(path)
        assert (looked.status_code, looked.json()) == (200, body)
        assert (await server.http.get("/sessions")).json()["sessions"][0]["phase"] == "Scheduled"
        await file.clock.sleep(6)
        assert (await server.http.get(path)).json()["session_started_at"] is not None


@pytest.mark.parametrize("value", ["wait=10, respond-async", "Respond-Async; foo=bar"])
@story
async def test_the_preference_may_stand_among_others(value):
    async with serving() as server:
        assert (await server.http.post("/calls/room/sessions", headers={"Prefer": value})).status_code == 202


@pytest.mark.parametrize("value", ["wait=10", "return=minimal", "respond-asynchronously", ""])
@story
async def test_other_preferences_change_nothing(value):
    async with serving() as server:
        answer = await server.http.post("/calls/room/sessions", headers={"Prefer": value})
        assert answer.status_code == 201
        assert "preference-applied" not in answer.headers


@story
async def test_a_session_that_agents_name_themselves_is_found_by_the_id_of_its_202():
    file = slow(1)
    async with serving(file) as server:
        file.make = ForeignAgent
        path = (await server.http.post("/calls/room/sessions", headers=NO_WAIT)).headers["location"]
        await file.clock.sleep(2)
        assert (await server.http.get(path)).status_code == 200
        assert (await server.http.delete(path)).status_code == 202
        await file.clock.sleep(1)
        assert (await server.http.get(path)).status_code == 404


@story
async def test_limits_refusals_and_bad_bodies_are_told_at_once():
    file = slow(5)
    async with serving(file, max_sessions_per_call=1) as server:
        for body, status in (({}, 202), ({}, 429), ({"runtime": "gpu"}, 422), ({"nonsense": 1}, 422)):
            answer = await server.http.post("/calls/room/sessions", headers=NO_WAIT, json=body)
            assert answer.status_code == status


@story
async def test_an_agent_that_fails_after_202_stands_in_the_listing():
    file = files()
    async with serving(file) as server:

        async def explode() -> None:
            raise RuntimeError("no voice")

        file.build = explode
        path = (await server.http.post("/calls/room/sessions", headers=NO_WAIT)).headers["location"]
        await server.turn()
        assert (await server.http.get(path)).status_code == 404
        (ended,) = (await server.http.get("/sessions")).json()["sessions"]
        assert (ended["phase"], ended["reason"], ended["session_started_at"]) == ("Failed", "AgentError", None)
        assert "no voice" in ended["message"]


# --- Idempotency-Key ---


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


@story
async def test_the_same_key_gives_the_same_session_also_when_two_race():
    file = slow(3)
    async with serving(file) as server:
        post = server.http.post
        racing = [asyncio.create_task(post("/calls/room/sessions", headers=keyed("k"))) for _ in range(5)]
        answers = [await task for task in racing]
        answers.append(await post("/calls/room/sessions", headers=keyed("k"), json={"call_type": "default"}))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert len(server.launcher.sessions) == 1


@story
async def test_another_body_under_the_same_key_is_422():
    async with serving() as server:
        assert (await server.http.post("/calls/room/sessions", headers=keyed("k"))).status_code == 201
        answer = await server.http.post("/calls/room/sessions", headers=keyed("k"), json={"call_type": "phone"})
        assert answer.status_code == 422
        assert answer.json() == {"detail": "Idempotency-Key was used before with another request"}


@story
async def test_another_call_or_key_is_another_session():
    async with serving() as server:
        for call, key in (("a", "k"), ("b", "k"), ("a", "l")):
            await server.http.post(f"/calls/{call}/sessions", headers=keyed(key))
        assert len(server.launcher.sessions) == 3


@story
async def test_a_key_whose_session_has_ended_gives_that_session():
    async with serving() as server:
        first = await server.http.post("/calls/room/sessions", headers=keyed("k"))
        await server.launcher.close_session(first.json()["session_id"], wait=True)
        again = await server.http.post("/calls/room/sessions", headers=keyed("k"))
        assert (again.status_code, again.json()) == (201, first.json())
        assert not server.launcher.sessions


@story
async def test_a_key_that_was_refused_may_try_again():
    async with serving(max_concurrent_sessions=1) as server:
        session_id = await server.started()
        assert (await server.http.post("/calls/a/sessions", headers=keyed("k"))).status_code == 429
        await server.launcher.close_session(session_id, wait=True)
        assert (await server.http.post("/calls/a/sessions", headers=keyed("k"))).status_code == 201


@story
async def test_keys_are_forgotten_in_time_and_bounded(monkeypatch):
    monkeypatch.setattr(keys, "KEPT_AT_MOST", 10)
    async with serving() as server:
        names = [
            (await server.http.post("/calls/room/sessions", headers=keyed(f"k{number}"))).json()["session_id"]
            for number in range(12)
        ]
        post = server.http.post
        assert (await post("/calls/room/sessions", headers=keyed("k11"))).json()["session_id"] == names[11]
        assert (await post("/calls/room/sessions", headers=keyed("k0"))).json()["session_id"] != names[0]
        await server.file.clock.sleep(keys.KEPT_SECONDS + 1)
        assert (await post("/calls/room/sessions", headers=keyed("k11"))).json()["session_id"] != names[11]


@story
async def test_a_key_that_did_not_wait_is_told_what_is_known_when_it_comes_back():
    file = slow(3)
    async with serving(file) as server:
        headers = {**NO_WAIT, **keyed("k")}
        first = await server.http.post("/calls/room/sessions", headers=headers)
        again = await server.http.post("/calls/room/sessions", headers=headers)
        assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
        await file.clock.sleep(4)
        late = await server.http.post("/calls/room/sessions", headers=headers)
        assert (late.status_code, late.json()["session_id"]) == (201, first.json()["session_id"])


@pytest.mark.parametrize("key", ["", "k" * 256])
@story
async def test_a_key_of_no_use_is_422(key):
    async with serving() as server:
        answer = await server.http.post("/calls/room/sessions", headers=keyed(key))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]


# --- clients that go away ---


@story
async def test_a_client_that_goes_away_takes_its_session_with_it():
    file = slow(5)
    async with serving(file, max_concurrent_sessions=1) as server:
        gone = Client(server, "room")  # type: ignore[arg-type]
        await file.clock.sleep(1)
        gone.hang_up()
        await gone.request
        assert gone.status == 499
        await file.clock.sleep(1)
        assert not (await server.http.get("/sessions", params={"phase": ["Scheduled", "Running"]})).json()["sessions"]
        assert (await server.http.post("/calls/room/sessions")).status_code == 201


@story
async def test_with_a_key_the_session_stays_for_the_client_to_come_back():
    file = slow(5)
    async with serving(file) as server:
        gone = Client(server, "room", key="k")  # type: ignore[arg-type]
        await file.clock.sleep(1)
        gone.hang_up()
        await gone.request
        again = await server.http.post("/calls/room/sessions", headers=keyed("k"))
        assert again.status_code == 201
        assert [session.id for session in server.launcher.sessions] == [again.json()["session_id"]]


@story
async def test_a_start_under_way_when_the_server_stops_is_answered():
    file = slow(1)
    async with serving(file) as server:
        file.build = lambda: file.clock.sleep(30)
        posts = [
            asyncio.create_task(server.http.post("/calls/room/sessions", headers=headers))
            for headers in ({}, keyed("k"))
        ]
        await file.clock.sleep(1)
    for post in posts:
        assert (await post).status_code == 503
