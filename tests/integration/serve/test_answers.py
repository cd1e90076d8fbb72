"""An edge's answer to an offer, from `python my_agent.py serve` to the client, with `isolation` and without."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.integration.serve.test_process import Served, served

AGENT_FILE = Path(__file__).parents[2] / "agents" / "answering.py"
PATIENCE_SECONDS = 60.0


async def start(server: Served, **parameters: object) -> str:
    answer = await server.http.post("/calls/room/sessions", json={"parameters": parameters}, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 201, f"{answer.text}\n{server.log}"
    return f"/calls/room/sessions/{answer.json()['session_id']}"


@pytest.mark.parametrize("isolation", ["none", "process"])
async def test_the_client_that_made_the_offer_gets_the_answer(tmp_path: Path, isolation: str) -> None:
    async with served(tmp_path, agent_file=AGENT_FILE, GREENROOM_TEST_ISOLATION=isolation) as server:
        await server.until_ready()
        session = await start(server, offer="v=0 of a browser", answer_seconds=0.5)
        told = await server.http.get(f"{session}/answer?wait_seconds=20", timeout=PATIENCE_SECONDS)
        assert told.status_code == 200, server.log
        assert told.json() == {
            "session_id": session.rpartition("/")[2],
            "call_id": "room",
            "answer": "the answer to v=0 of a browser",
        }
        silent = await start(server, offer="silence")
        begun = time.monotonic()
        told = await server.http.get(f"{silent}/answer?wait_seconds=0.5", timeout=PATIENCE_SECONDS)
        assert (told.status_code, told.content) == (204, b"")
        assert time.monotonic() - begun >= 0.5
        waiting = asyncio.create_task(server.http.get(f"{silent}/answer?wait_seconds=30", timeout=PATIENCE_SECONDS))
        assert (await server.http.delete(silent)).status_code == 202
        assert (await waiting).status_code == 404
        assert time.monotonic() - begun < 28
        server.process.terminate()
        await server.http.delete(session)
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_one_that_fits_nowhere_is_told_in_the_session_s_end(tmp_path: Path) -> None:
    async with served(tmp_path, agent_file=AGENT_FILE) as server:
        await server.until_ready()
        session = await start(server, offer="x" * 17_000)
        told = await server.http.get(f"{session}/answer?wait_seconds=20", timeout=PATIENCE_SECONDS)
        assert told.status_code == 404
        [ended] = (await server.http.get("/sessions")).json()["sessions"]
        assert (ended["phase"], ended["reason"]) == ("Failed", "AgentError")
        assert "at most 16384 fit" in ended["message"]
