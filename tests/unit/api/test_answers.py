"""GET of what an agent answers to an offer: from the feed, as soon as it is there, without asking anybody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.api.rig import rig, virtual
from tests.unit.api.test_client_gone import Client

from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    from tests.unit.api.rig import Rig

SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n"


def path(name: str, call_id: str = "room", wait: str = "") -> str:
    return f"/calls/{call_id}/sessions/{name}/answer{f'?wait_seconds={wait}' if wait else ''}"


def asking(api: Rig, url: str) -> asyncio.Task[Any]:
    return asyncio.create_task(api.http.get(url, timeout=None))


async def answer(api: Rig, text: str | None = SDP) -> None:
    await api.operator.answer(await api.operator.session_of("room"), text)


@virtual
async def test_it_is_told_when_it_comes_and_nobody_is_asked() -> None:
    async with rig() as api:
        name = await api.started("room")
        before = len(api.faults.seen)
        waiting = [asking(api, path(name)) for _ in range(3)]
        await api.clock.sleep(2)
        assert not any(task.done() for task in waiting)
        at = api.clock.boot()
        await answer(api)
        for told in await asyncio.gather(*waiting):
            assert (told.status_code, told.json()) == (200, {"session_id": name, "call_id": "room", "answer": SDP})
        assert api.clock.boot() - at < 0.1
        assert (await api.http.get(path(name, wait="0"))).json()["answer"] == SDP
        assert len(api.faults.seen) == before


@virtual
async def test_one_that_waits_for_its_pod_can_be_waited_for() -> None:
    async with rig() as api:
        posting = api.post("room")
        session = await api.operator.session_of("room")
        waiting = asking(api, path(session.metadata.name))
        await api.clock.sleep(1)
        await api.operator.run_at_once(session)
        await posting
        await answer(api)
        assert (await waiting).json()["answer"] == SDP


@pytest.mark.parametrize(("wait", "seconds"), [("", 10), ("0", 0), ("2.5", 2.5), ("3e1", 30)])
@virtual
async def test_one_that_does_not_come_in_time_is_204(wait: str, seconds: float) -> None:
    async with rig() as api:
        name = await api.started("room")
        begun = api.clock.boot()
        told = await api.http.get(path(name, wait=wait), timeout=None)
        assert (told.status_code, told.content) == (204, b"")
        assert api.clock.boot() - begun == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("wait", ["-1", "30.1", "soon", "nan", "1e999", "true", "null", "1_0", "%22 5%22", "[]"])
@virtual
async def test_a_wait_that_cannot_be_is_422(wait: str) -> None:
    async with rig() as api:
        name = await api.started("room")
        told = await api.http.get(path(name, wait=wait))
        assert told.status_code == 422
        [problem] = told.json()["detail"]
        assert (problem["loc"], problem["msg"]) == (["query", "wait_seconds"], "must be a number from 0 to 30")


@virtual
async def test_the_end_of_the_session_ends_the_wait_at_once() -> None:
    async with rig() as api:
        name = await api.started("room")
        waiting = asking(api, path(name, wait="30"))
        await api.clock.sleep(1)
        at = api.clock.boot()
        await api.operator.end(await api.operator.session_of("room"), "Finished")
        told = await waiting
        assert (told.status_code, told.json()) == (404, {"detail": f"Session with id '{name}' not found"})
        assert api.clock.boot() - at < 0.1
        assert (await api.http.get(path(name))).status_code == 404


@virtual
async def test_a_session_that_is_deleted_while_one_waits_is_404() -> None:
    async with rig() as api:
        posting = api.post("room", {"limits": {"start_deadline_seconds": 60}})
        session = await api.operator.session_of("room")
        waiting = asking(api, path(session.metadata.name, wait="30"))
        await api.clock.sleep(1)
        await api.operator.client.delete(SESSIONS, session.metadata.namespace, session.metadata.name)
        assert (await waiting).status_code == 404
        assert (await posting).status_code == 409


@virtual
async def test_unknown_and_another_calls_sessions_are_404_at_once() -> None:
    async with rig() as api:
        name = await api.started("room")
        begun = api.clock.boot()
        for url in (path(name, "hall"), path("nobody"), path("A_b")):
            assert (await api.http.get(url)).status_code == 404
        assert (await api.http.get(path(name, "Room"))).status_code == 400
        assert api.clock.boot() - begun < 0.1


@virtual
async def test_an_unreachable_api_server_is_503_on_a_miss() -> None:
    async with rig() as api:
        api.server.stop()
        told = await api.http.get(path("nobody"), timeout=None)
        assert (told.status_code, told.headers["retry-after"]) == (503, "1")


@virtual
async def test_a_client_that_goes_away_ends_its_wait() -> None:
    async with rig() as api:
        name = await api.started("room")
        client = Client(api, "room", method="GET", tail=f"/{name}/answer", query="wait_seconds=30")
        await api.clock.sleep(1)
        assert api.backend._view.waits._waits
        begun = api.clock.boot()
        client.hang_up()
        await client.request
        assert api.clock.boot() == begun
        assert not api.backend._view.waits._waits
        assert client.status == 499
        assert (await api.http.get(f"/calls/room/sessions/{name}")).status_code == 200


@virtual
async def test_a_server_that_leaves_waits_no_longer_and_tells_what_it_knows() -> None:
    async with rig() as api:
        name = await api.started("room")
        waiting = asking(api, path(name, wait="30"))
        await api.clock.sleep(1)
        begun = api.clock.boot()
        api.backend.leave()
        told = await waiting
        assert (told.status_code, told.headers["retry-after"]) == (503, "1")
        assert (await api.http.get(path(name))).status_code == 503
        assert api.clock.boot() == begun
        await answer(api)
        await api.clock.sleep(0.1)
        assert (await api.http.get(path(name))).json()["answer"] == SDP
