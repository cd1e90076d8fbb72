"""A call with the camera: the page shows it to an agent that looks, and only if its address says so."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.browser.story import state
from tests.examples.program import Program
from tests.examples.test_examples import until_listening

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

AGENT = """
from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.agent import VideoProcessor
from greenroom.plugins import local


class Looker(VideoProcessor):
    fps = 5.0

    async def process_video(self, participant, frame):
        red, green, blue = (await frame.within(1).rgb())[:3]
        print(f"saw {frame.width}x{frame.height}", "green" if green > max(red, blue) else "not green", flush=True)


async def create_agent(offer):
    parts = dict(llm=local.LLM(), stt=local.STT(), vad=local.VAD(), tts=local.TTS(), processors=[Looker()])
    return Agent(edge=local.Edge(offer), agent_user=User(name="A", id="a"), **parts)


async def join_call(agent, call_type, call_id):
    async with agent.join(await agent.create_call(call_type, call_id)):
        await agent.finish()


Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
"""


@asynccontextmanager
async def looking(tmp_path: Path) -> AsyncIterator[tuple[Program, str]]:
    """The agent's program, and the page's address."""
    file = tmp_path / "looking.py"
    file.write_text(AGENT)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    async with Program(file, "serve", "--port", str(port)) as program:
        async with httpx.AsyncClient(base_url=url) as http:
            await until_listening(program, http)
        yield program, f"{url}/talk"
        assert await program.end() == 0, program.output


async def test_a_camera_is_shown_to_an_agent_that_looks(visit: Visit, tmp_path: Path) -> None:
    async with looking(tmp_path) as (program, url), visit(f"{url}?camera") as page:
        await page.click("#talk")
        await state(page, "talking")
        await program.line(r"saw \d+x\d+ green")  # what Chromium's own camera mostly shows
        assert await page.evaluate("document.querySelector('#mirror').videoWidth") > 0, (
            "what one shows is seen here too"
        )
        await page.click("#hang-up")
        await state(page, "ended")
        assert await page.evaluate("document.querySelector('#mirror').hidden")
        assert page.complaints == []


async def test_no_camera_is_asked_for_otherwise(visit: Visit, tmp_path: Path) -> None:
    async with looking(tmp_path) as (program, url), visit(url) as page:
        await page.click("#talk")
        await state(page, "talking")
        assert await page.evaluate("document.querySelector('#mirror').hidden")
        await page.click("#hang-up")
        await state(page, "ended")
        assert "saw" not in program.output
