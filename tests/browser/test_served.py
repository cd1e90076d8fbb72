"""A spoken conversation through the page, with an agent file that `serve` runs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from aioice.ice import get_host_addresses
from tests.browser.story import assert_in_order, state, talk
from tests.examples.program import EXAMPLES
from tests.examples.test_examples import served
from tests.fakes.turn_server import CREDENTIAL, USERNAME, turn_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

MOUNTED = """
from fastapi import FastAPI
from greenroom import AgentLauncher, Runner, ServeOptions
from greenroom.serve import lifespan, router, talk_router
from talk_agent import create_agent, join_call

app = FastAPI(lifespan=lifespan)
app.include_router(router, prefix="/agents")
app.include_router(talk_router(), prefix="/agents")
launcher = AgentLauncher(create_agent=create_agent, join_call=join_call)
Runner(launcher, serve_options=ServeOptions(fast_api=app)).cli()
"""

STEPS = (
    *("Asking for the microphone", "Looking for ways to the agent", "Starting the agent"),
    *("Waiting for the agent's answer", "Connecting"),
)


async def test_a_question_is_asked_and_answered_aloud(visit: Visit) -> None:
    async with served("talk_agent.py") as http:
        url = f"{http.base_url}/talk"
        async with visit(url) as page:
            told = await talk(page)
            session = f"/calls/{told.call_id}/sessions/{told.session_id}"
            assert (await http.get(session)).status_code == 200
            metrics = (await http.get(f"{session}/metrics")).json()["metrics"]
            assert metrics["llm_tool_calls__total"] >= 1
            await page.click("#hang-up")
            await state(page, "ended")
            assert await page.text("#problem") == ""
            assert await ended(http, told.call_id) == "Closed"
            await page.click("#talk")
            await state(page, "talking")
            again = await page.text("#call-id")
            assert again != told.call_id
            assert await page.text(".user") == "", "nothing of the call before"
            await page.click("#hang-up")
            await state(page, "ended")
            assert_in_order(page, url)
            assert await ended(http, again) == "Closed"


async def test_who_hangs_up_before_there_is_a_call_leaves_no_session(visit: Visit) -> None:
    async with served("talk_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        for number, step in enumerate(STEPS):
            await page.evaluate(
                "window.impatient?.disconnect();"
                "window.impatient = new MutationObserver(() => document.querySelector('#state').innerText === "
                f"{json.dumps(step)} && document.querySelector('#hang-up').click());"
                "impatient.observe(document.querySelector('#state'), { childList: true }); 0"
            )
            await page.click("#talk")
            await page.until("document.querySelector('#state').innerText === 'Hung up'")
            assert await page.text("#problem") == "", step
            async with asyncio.timeout(60):
                while await sessions_ended(http) != (max(0, number - 1), True):
                    await asyncio.sleep(0.05)
        assert page.complaints == []


async def sessions_ended(http: httpx.AsyncClient) -> tuple[int, bool]:
    """How many there were; whether all have ended."""
    found = (await http.get("/sessions")).json()["sessions"]
    return len(found), all(session["ended_at"] is not None for session in found)


async def test_the_microphone_can_be_muted_and_the_call_held_by_keyboard_alone(visit: Visit) -> None:
    async with served("talk_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.press("Tab", 9)
        assert await page.evaluate("document.activeElement.id") == "talk"
        await page.press("Enter", 13)
        await state(page, "talking")
        assert await page.evaluate("document.activeElement.id") == "hang-up", "where the focus goes"
        await page.evaluate("document.querySelector('#mute').focus()")
        await page.press("Enter", 13)
        assert await page.text("#mute") == "Muted"
        assert await page.evaluate("document.querySelector('#mute').getAttribute('aria-pressed')") == "true"
        call_id = await page.text("#call-id")
        await page.evaluate("document.querySelector('#hang-up').focus()")
        await page.press("Enter", 13)
        await state(page, "ended")
        assert await page.evaluate("document.activeElement.id") == "talk"
        assert await ended(http, call_id) == "Closed"


async def test_a_page_that_is_left_hangs_up(visit: Visit) -> None:
    async with served("talk_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.click("#talk")
        await state(page, "talking")
        call_id = await page.text("#call-id")
        await page.call("Page.navigate", url="about:blank")
        assert await ended(http, call_id) == "Closed"


async def test_a_session_that_somebody_else_closes_is_told(visit: Visit) -> None:
    async with served("talk_agent.py") as http, visit(f"{http.base_url}/talk") as page:
        await page.click("#talk")
        await state(page, "talking")
        call_id, session_id = await page.text("#call-id"), await page.text("#session-id")
        assert (await http.delete(f"/calls/{call_id}/sessions/{session_id}")).status_code == 202
        await state(page, "ended")
        assert "The agent has left the call." in await page.text("#problem")
        assert "Closed, CloseRequested" in await page.text("#problem")
        assert page.complaints == []
        assert await ended(http, call_id) == "Closed"


async def test_below_a_prefix_and_in_an_application_of_ones_own(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "mounted.py").write_text(MOUNTED)
    async with served(str(tmp_path / "mounted.py"), PYTHONPATH=str(EXAMPLES)) as http:
        url = f"{http.base_url}/agents/talk/"
        async with visit(url) as page:
            assert await page.evaluate("location.pathname") == "/agents/talk"
            await page.click("#talk")
            await state(page, "talking")
            call_id = await page.text("#call-id")
            await page.click("#hang-up")
            await state(page, "ended")
            assert await ended(http, call_id, "/agents") == "Closed"
            assert_in_order(page, url)


async def test_a_call_by_relay_alone(visit: Visit) -> None:
    """A network that lets nothing through between browser and agent, but both to a relay."""
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no network address but the loopback")
    async with turn_server(addresses[0]) as relay:
        environment = {
            "GREENROOM_TURN_URL": relay.url,
            "GREENROOM_TURN_USERNAME": USERNAME,
            "GREENROOM_TURN_CREDENTIAL": CREDENTIAL,
        }
        async with served("talk_agent.py", **environment) as http, visit(f"{http.base_url}/talk") as page:
            await page.evaluate("peerSettings.iceTransportPolicy = 'relay'")
            told = await talk(page)
            assert relay.relayed > 100
            await page.click("#hang-up")
            await state(page, "ended")
            assert await ended(http, told.call_id) == "Closed"
            assert page.complaints == []


async def ended(http: httpx.AsyncClient, call_id: str, prefix: str = "") -> str:
    """The phase in which the call's one session has ended."""
    async with asyncio.timeout(60):
        while True:
            [session] = (await http.get(f"{prefix}/calls/{call_id}/sessions")).json()["sessions"]
            if session["ended_at"] is not None:
                return str(session["phase"])
            await asyncio.sleep(0.05)
