"""What the page says when there can be no call."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browser.story import state
from tests.examples.program import Program
from tests.examples.test_examples import closed, served, started, until_listening

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.browser.conftest import Visit
    from tests.browser.page import Page

pytestmark = pytest.mark.browser

AGENT = """
import asyncio
from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import local

async def create_agent(offer):
    if {on_create}:
        raise RuntimeError("no voice today")
    parts = dict(llm=local.LLM(), stt=local.STT(), vad=local.VAD(), tts=local.TTS())
    return Agent(edge=local.Edge(offer), agent_user=User(name="A", id="a"), **parts)

async def join_call(agent, call_type, call_id):
    await asyncio.sleep(0.5)
    raise RuntimeError("no voice today")

Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
"""


async def test_a_microphone_that_is_denied(visit: Visit) -> None:
    async with served("cors.py") as http, visit(f"{http.base_url}/talk", allowed=False) as page:
        await page.click("#talk")
        await state(page, "ended")
        assert "The microphone is denied. Allow it" in await said(page)
        assert (await http.get("/sessions")).json()["sessions"] == [], "nothing is started for nobody"


async def test_a_page_that_the_browser_lends_no_microphone(visit: Visit) -> None:
    async with served("cors.py") as http:
        port = http.base_url.port
        rule = "--host-resolver-rules=MAP talk.example 127.0.0.1"
        async with visit(f"http://talk.example:{port}/talk", rule) as page:
            assert "The microphone works on https:// pages and on localhost only." in await said(page)
            assert f"http://talk.example:{port}" in await said(page)
            assert await page.evaluate("document.querySelector('#talk').disabled")


async def test_a_limit_that_is_reached(visit: Visit) -> None:
    async with served("limits.py") as http:
        one = await started(http, "one")
        async with visit(f"{http.base_url}/talk?call=one") as page:
            await page.click("#talk")
            await state(page, "ended")
            assert "All places are taken: Reached maximum number of sessions for this call" in await said(page)
            assert "Try again in 5 s." in await said(page)
        await closed(http, one)


async def test_who_may_not(visit: Visit) -> None:
    async with served("permissions.py", TOKENS="alice-token=alice") as http, visit(f"{http.base_url}/talk") as page:
        await page.click("#talk")
        await state(page, "ended")
        assert "You may not talk here:" in await said(page)


async def test_an_agent_that_takes_no_offer(visit: Visit) -> None:
    async with served("console_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.click("#talk")
        await state(page, "ended")
        assert "neither create_agent nor join_call takes the parameter offer" in await said(page)
        assert "edge=local.Edge(offer)" in await said(page), "what helps"


@asynccontextmanager
async def failing(tmp_path: Path, *, on_create: bool) -> AsyncIterator[str]:
    """The page's address, at an agent that fails when it is built or when it is to join."""
    file = tmp_path / "failing.py"
    file.write_text(AGENT.format(on_create=on_create))
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with Program(file, "serve", "--port", str(port)) as program, httpx.AsyncClient(base_url=url) as http:
        await until_listening(program, http)
        yield f"{url}/talk"


async def test_an_agent_that_cannot_be_built(visit: Visit, tmp_path: Path) -> None:
    async with failing(tmp_path, on_create=True) as url, visit(url) as page:
        await page.click("#talk")
        await state(page, "ended")
        assert "The agent failed: Failed to start agent Its log says why." in await said(page)
        assert "no voice today" not in await said(page), "what an agent says of itself may be private"


async def test_an_agent_that_does_not_come(visit: Visit, tmp_path: Path) -> None:
    async with failing(tmp_path, on_create=False) as url, visit(url) as page:
        await page.click("#talk")
        await state(page, "ended")
        assert "The session has ended before it answered. Failed, AgentError" in await said(page)


REFUSALS: dict[int, tuple[object, str]] = {
    503: ({"detail": "No free slot came in time"}, "No agent could be started: No free slot came in time Try again"),
    409: ({"detail": "Session was closed"}, "No agent could be started: Session was closed"),
    422: (
        {"detail": [{"loc": ["body", "runtime"], "msg": "too long"}]},
        "cannot take this call: body.runtime: too long",
    ),
    502: ("no JSON", "No agent could be started: 502"),
}


async def test_every_other_refusal(visit: Visit) -> None:
    async with served("cors.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.evaluate("window.realFetch = fetch; 0")
        for status, (body, told) in REFUSALS.items():
            text = json.dumps(body) if isinstance(body, dict) else body
            answer = f"new Response({json.dumps(text)}, {{status: {status}, headers: {{'Retry-After': '5'}}}})"
            await page.evaluate(
                f"window.fetch = async (to, how) => how.method === 'POST' ? {answer} : realFetch(to, how); 0"
            )
            await page.click("#talk")
            await page.until(f"document.querySelector('#problem').innerText.includes({told.split(' Try')[0]!r})")
            await state(page, "ended")
            assert told in await said(page)


async def test_a_server_that_is_gone(visit: Visit) -> None:
    async with served("cors.py") as http, visit(f"{http.base_url}/talk") as page:
        nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await page.call("Network.emulateNetworkConditions", offline=True, **nothing)
        await page.click("#talk")
        await state(page, "ended")
        assert "The server cannot be reached." in await said(page)


async def test_an_address_that_cannot_be_reached(visit: Visit) -> None:
    """An answer with another password stands for a network between: no packet of one side is one to the other."""
    async with served("talk_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.evaluate(
            "const real = RTCPeerConnection.prototype.setRemoteDescription;"
            "RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {"
            "  return real.call(this, { type, sdp: sdp.replace(/a=ice-pwd:.*/g, 'a=ice-pwd:' + 'x'.repeat(22)) });"
            "}; 0"
        )
        await page.click("#talk")
        await state(page, "ended")
        assert "There is no connection between this browser and the agent." in await said(page)
        assert "GREENROOM_TURN_URL" in await said(page)


async def said(page: Page) -> str:
    return " ".join((await page.text("#problem")).split())
