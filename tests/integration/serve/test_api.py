"""`python my_agent.py api`: the document's own applications over the sessions of a real API server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.integration.api.test_process import a_bench
from tests.stack.programs import Launchpad, install_accounts

if TYPE_CHECKING:
    from tests.stack.programs import Program

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

FILE = Path(__file__).with_name("documented_agent.py")
OWNER, GUEST = {"Authorization": "Bearer owner"}, {"Authorization": "Bearer guest"}


class Block:
    """The API of an agent file that is that block of the document."""

    def __init__(self, name: str, *flags: str) -> None:
        self._words = (name, "api", *flags)

    async def __call__(self, pad: Launchpad) -> Program:
        return await pad.agent_api(1, FILE, *self._words)


async def told(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["detail"]


async def test_permission_callbacks_guard_the_cluster(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    block = Block("permission_callbacks", "--talk-page", "true")
    async with a_bench(control_plane, namespace, tmp_path, block) as bench:
        sessions = "/calls/room/sessions"
        async with bench.http.post(sessions) as answer:
            assert await told(answer) == (401, "Authorization required")
        async with bench.http.post(sessions, headers=GUEST) as answer:
            assert await told(answer) == (403, "Permission denied")
        async with bench.http.get("/talk") as answer:
            assert answer.status == 200, "the page to speak on is for all to look at"
        async with bench.http.get("/talk/settings/room", headers=GUEST) as answer:
            assert await told(answer) == (403, "Permission denied")
        async with bench.http.post(sessions, headers={**OWNER, "Prefer": "respond-async"}) as answer:
            assert answer.status == 202
            accepted = await answer.json()
            path = answer.headers["Location"]
            assert answer.headers["Preference-Applied"] == "respond-async"
        session = await bench.session_of("room")
        assert accepted == {"session_id": session.metadata.name, "call_id": "room", "session_started_at": None}
        assert path == f"{sessions}/{session.metadata.name}"
        async with bench.http.get(path) as answer:
            assert answer.status == 200
            assert {**accepted, "queue": (queue := (await answer.json())["queue"])} == await answer.json()
            assert queue["position"] == 1
        await bench.run(session)
        async with bench.http.delete(path) as answer:
            assert await told(answer) == (401, "Authorization required")
        async with bench.http.post(f"{path}/close", headers=GUEST) as answer:
            assert await told(answer) == (403, "Cannot close this session")
        async with bench.http.delete(path, headers=OWNER) as answer:
            assert answer.status == 202
        assert (await bench.session_of("room")).metadata.uid == session.metadata.uid
        await bench.until(lambda: all(session.close_requested for session in bench.sessions.store))
        async with bench.http.get("/sessions") as answer:
            assert await told(answer) == (403, "Permission denied")


async def test_routes_and_middleware_of_ones_own_stand_beside_the_clusters(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path, Block("default_app")) as bench:
        async with bench.http.get("/talk") as answer:
            assert answer.status == 404, "unless it is asked for"
        async with bench.http.get("/custom") as answer:
            assert await answer.json() == {"message": "Custom endpoint"}
        async with bench.http.get("/openapi.json") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "/custom" in (await answer.json())["paths"]
        posting = bench.post("room")
        session = await bench.session_of("room")
        await bench.run(session)
        status, body = await posting
        assert (status, body["session_id"]) == (201, session.metadata.name)
        async with bench.http.get("/metrics") as answer:
            assert "greenroom_api_kube_request_seconds" in await answer.text()


async def test_an_application_of_ones_own_is_served_as_it_is(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    await install_accounts(control_plane, namespace)
    program = await Block("custom_instance")(Launchpad(control_plane, namespace, tmp_path))
    program.process.start()
    try:
        async with aiohttp.ClientSession(program.url) as http, asyncio.timeout(60):
            while "listening on" not in program.log:
                assert program.process.running, program.log
                await asyncio.sleep(0.05)
            async with http.get("/custom") as answer:
                assert await answer.json() == {"message": "Custom endpoint"}
            async with http.get("/ready") as answer:
                assert answer.status == 404
        program.process.terminate()
        assert await program.process.wait() == 0
    finally:
        await program.process.kill()
