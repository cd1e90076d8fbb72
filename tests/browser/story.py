"""What one does on the page, from Talk to Hang up, and what has to be seen and heard of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.browser import sound

if TYPE_CHECKING:
    from tests.browser.page import Page

_ENOUGH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """`answered_seconds` by the agent's clock, `heard_seconds` by the page's own."""

    call_id: str
    session_id: str
    answered_seconds: float
    heard_seconds: float


async def state(page: Page, wanted: str) -> None:
    await page.until(f"document.body.dataset.state === {wanted!r}")


async def talk(page: Page) -> Told:
    """Press Talk, be greeted, ask what the microphone asks, hear the answer.

    Where the machine is slow, the question may fall into the greeting or be cut: then it counts when asked again.
    """
    await page.click("#talk")
    await state(page, "talking")
    await page.until("document.querySelector('.agent .words')?.innerText.includes('Hello')")
    await page.until("[...document.querySelectorAll('.user')].some((line) => line.innerText.includes('boston'))")
    await page.until("[...document.querySelectorAll('.agent')].some((line) => line.innerText.includes('sunny'))")
    answer = await sound.understood(await sound.taken(page))
    assert {"weather", "boston", "sunny"} <= set(answer.split()), answer
    tool = await page.text(".tool")
    assert "get_weather(" in tool, tool
    assert "sunny" in tool, tool
    return Told(
        await page.text("#call-id"),
        await page.text("#session-id"),
        await _seconds(page, "#agent-seconds td"),
        await _seconds(page, "#heard-seconds td"),
    )


async def _seconds(page: Page, selector: str) -> float:
    text = await page.text(selector)
    found = re.fullmatch(r"(\d+\.\d\d)\ss", text)
    assert found, text
    seconds = float(found[1])
    assert 0 < seconds < _ENOUGH_SECONDS, text
    return seconds


def assert_in_order(page: Page, url: str) -> None:
    """Nothing was complained of, and nothing asked of anybody else."""
    assert not page.complaints, page.complaints
    assert {urlsplit(request).netloc for request in page.requests} == {urlsplit(url).netloc}
