"""Listings: living and ended sessions, filtered, newest first, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.api.rig import NAMESPACE, Rig, rig, virtual

from greenroom_core.kube.kinds import SESSIONS


async def make(api: Rig, name: str, call_id: str, runtime: str = "default") -> None:
    body = {
        "apiVersion": "greenroom.dev/v1alpha1",
        "kind": "AgentSession",
        "metadata": {"name": name},
        "spec": {"callId": call_id, "runtime": runtime},
    }
    await api.operator.client.create(SESSIONS, NAMESPACE, body)
    await api.until(lambda: api.backend._view.known(name) is not None)


async def listed(api: Rig, path: str = "/sessions", **query: Any) -> list[str]:
    answer = await api.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [item["session_id"] for item in answer.json()["sessions"]]


@virtual
async def test_what_is_told_of_a_session() -> None:
    async with rig() as api:
        name = await api.started("room", {"call_type": "phone"})
        running = (await api.http.get("/calls/room/sessions")).json()["sessions"][0]
        session = await api.operator.end(await api.operator.session_of("room"), "Idle", "alone for 60 s")
        await api.clock.sleep(0.1)
        ended = (await api.http.get("/calls/room/sessions")).json()["sessions"][0]
        assert running == {
            "session_id": name,
            "call_id": "room",
            "call_type": "phone",
            "runtime": "default",
            "phase": "Running",
            "reason": None,
            "message": None,
            "pod": "pod-1",
            "created_at": "2030-01-01T00:00:00Z",
            "session_started_at": running["session_started_at"],
            "ended_at": None,
        }
        assert session.status.ended_at is not None
        assert ended == running | {
            "phase": "Closed",
            "reason": "Idle",
            "message": "alone for 60 s",
            "ended_at": session.status.ended_at.isoformat().replace("+00:00", "Z"),
        }


@virtual
async def test_filters() -> None:
    async with rig() as api:
        await make(api, "a", "room")
        await make(api, "b", "room", runtime="gpu")
        await make(api, "c", "hall")
        await api.operator.run_at_once(await api.operator.seen(lambda s: s.metadata.name == "c"))
        await api.clock.sleep(0.1)
        assert sorted(await listed(api)) == ["a", "b", "c"]
        assert sorted(await listed(api, "/calls/room/sessions")) == ["a", "b"]
        assert await listed(api, "/calls/room/sessions", runtime="gpu") == ["b"]
        assert await listed(api, call_id="hall") == ["c"]
        assert await listed(api, phase="Running") == ["c"]
        assert sorted(await listed(api, phase=["Running", "Pending"])) == ["a", "b", "c"]
        assert await listed(api, phase="Closed") == []


@virtual
async def test_pages_go_on_where_they_were_whatever_comes_and_goes() -> None:
    async with rig() as api:
        for number in range(7):
            await make(api, f"s{number}", "room")
            await api.clock.sleep(0.4)  # several in one second: the creation stamp alone does not tell them apart
        names: list[str] = []
        after: dict[str, str] = {}
        while True:
            body = (await api.http.get("/sessions", params={"limit": 3, **after})).json()
            names += [item["session_id"] for item in body["sessions"]]
            if body["next"] is None:
                break
            after = {"after": body["next"]}
            await make(api, f"new{len(names)}", "room")
            last = names[-1]
            await api.operator.client.delete(SESSIONS, NAMESPACE, last)
            await api.until(lambda last=last: api.backend._view.known(last) is None)  # type: ignore[misc]
        assert names == [f"s{number}" for number in reversed(range(7))]


@virtual
async def test_an_exact_last_page_has_no_next() -> None:
    async with rig() as api:
        await make(api, "a", "room")
        await make(api, "b", "room")
        assert (await api.http.get("/sessions", params={"limit": 2})).json()["next"] is None
        assert (await api.http.get("/sessions", params={"limit": 1})).json()["next"] is not None


@pytest.mark.parametrize(
    "query", [{"after": "nonsense"}, {"after": "é"}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"phase": "Asleep"}]
)
@virtual
async def test_a_bad_query_is_422_with_a_detail(query: dict[str, Any]) -> None:
    async with rig() as api:
        answer = await api.http.get("/sessions", params=query)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][:2] == ["query", next(iter(query))]


@virtual
async def test_a_bad_call_id_is_400() -> None:
    async with rig() as api:
        assert (await api.http.get("/calls/Room/sessions")).status_code == 400


@virtual
async def test_nothing_is_listed_before_everything_is_known() -> None:
    async with rig() as api:
        other = Rig(api.server)
        assert (await other.http.get("/sessions")).status_code == 503
        await other.http.aclose()
