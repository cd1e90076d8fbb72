"""A spoken conversation through the page, with all that `make up` starts: the agent in a pod, the call as an object."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.story import assert_in_order, state, talk
from tests.integration.local.greenroom_up import Up, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.integration]


@pytest.fixture
def up(chromium: Path, tmp_path: Path) -> Iterator[Up]:
    folder = tmp_path / "up"
    folder.mkdir()
    running = Up(folder)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def status(up: Up, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(up.kubectl("get", "agentsessions", name, "-o", "json"))["status"]
    return found


async def test_a_conversation_is_an_agentsession(up: Up, visit: Visit) -> None:
    url = f"http://127.0.0.1:{up.port}/talk"
    async with visit(url) as page:
        told = await talk(page)
        [head, line] = (await asyncio.to_thread(up.kubectl, "get", "agentsessions")).splitlines()
        assert line.split()[0] == told.session_id, head
        assert "Running" in line
        assert told.call_id in line
        running = await asyncio.to_thread(status, up, told.session_id)
        assert running["answer"].startswith("v=0")
        await page.click("#hang-up")
        await state(page, "ended")
        assert await page.text("#problem") == ""
        assert_in_order(page, url)

    def closed() -> bool:
        return bool(status(up, told.session_id)["phase"] == "Closed")

    await asyncio.to_thread(wait_for, closed, "the session was not closed")
    metrics = status(up, told.session_id)["metrics"]
    assert metrics["llm_tool_calls__total"] >= 1
    assert metrics["tts_audio_duration_ms__total"] > 2000
    assert metrics["stt_latency_ms__avg"] > 0
