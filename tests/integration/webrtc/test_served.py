"""The way of a page, without a browser: `serve` as a process, offer and answer by REST, the call by UDP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.examples.test_examples import served, started
from tests.fakes.browser import Browser
from tests.integration.serve.test_process import served as served_process
from tests.integration.webrtc.conftest import DEADLINE_SECONDS, given_back, held

from greenroom.agent.audio import silence
from greenroom.plugins import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

TALK_AGENT = Path(__file__).parents[3] / "examples" / "talk_agent.py"

pytest.importorskip("hibari", reason="the extra `local` is not installed")


@pytest_asyncio.fixture(autouse=True)
async def everything_is_given_back() -> AsyncIterator[None]:
    """The voice that makes the question keeps its threads."""
    before = held()
    yield
    await given_back({what: before[what] for what in ("tasks", "connections")})


async def connected(http: httpx.AsyncClient, call_id: str) -> tuple[Browser, str]:
    """A browser in a call with an agent of its own, and the session's path."""
    browser = Browser()
    session = await started(http, call_id, json={"parameters": {"offer": await browser.offer()}})
    told = await http.get(f"{session}/answer?wait_seconds=20")
    assert told.status_code == 200, told.text
    await browser.take(told.json()["answer"])
    async with asyncio.timeout(DEADLINE_SECONDS):
        await browser.connected.wait()
    return browser, session


async def gone(http: httpx.AsyncClient, session: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await http.get(session)).status_code != 404:
            await asyncio.sleep(0.05)


async def heard(browser: Browser, text: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await browser.told(lambda message: message["type"] == "agent.agent_turn_ended" and text in message["text"])


async def test_two_callers_are_answered_side_by_side() -> None:
    question = b"".join([pcm async for pcm in local.TTS(seed=7).synthesize("What is the weather in Boston?")])
    async with served("talk_agent.py") as http:
        (one, first), (other, second) = await connected(http, "a"), await connected(http, "b")
        await asyncio.gather(heard(one, "Hello!"), heard(other, "Hello!"))
        await one.say(silence(0.3) + question)
        await heard(one, "sunny")
        assert not [message for message in other.messages if message["type"] == "agent.user_transcript"]
        await one.hang_up()
        await gone(http, first)
        assert (await http.get(second)).status_code == 200
        assert (await http.delete(second)).status_code == 202
        async with asyncio.timeout(DEADLINE_SECONDS):
            await other.over.wait()
        await other.hang_up()
        await gone(http, second)


async def test_a_bad_offer_ends_its_session_with_a_sentence(tmp_path: Path) -> None:
    async with served_process(tmp_path, agent_file=TALK_AGENT) as server:
        await server.until_ready()
        refused = await server.http.post("/calls/a/sessions", json={"parameters": {"offer": "v=0 nonsense"}})
        assert refused.status_code == 500
        assert "ended: AgentError OfferError: the offer has no audio (m=audio)" in server.log
