"""A browser for a test, and the machine's means to have one."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.browser import sound
from tests.browser.chromium import Chromium, microphone

from greenroom_local.binaries import NotFound, find_chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from tests.browser.page import Page

pytest.importorskip("aiortc", reason="the extra `webrtc` is not installed")
pytest.importorskip("hibari", reason="the extra `local` is not installed")

QUESTION = "What is the weather in Boston?"


@pytest.fixture(scope="session")
def chromium() -> Path:
    try:
        return find_chromium()
    except NotFound as problem:
        if "browser" in os.environ.get("GREENROOM_REQUIRE", "").split(","):
            pytest.fail(str(problem))
        pytest.skip(str(problem))


class Visit(Protocol):
    """``async with visit(url) as page:``, in a browser of its own, whose microphone asks a question again and again.

    With `allowed` False the microphone is denied. A test that fails leaves a picture of the page in its `tmp_path`.
    """

    def __call__(self, url: str, *flags: str, allowed: bool = True) -> AbstractAsyncContextManager[Page]: ...


@pytest.fixture
async def visit(chromium: Path, tmp_path: Path) -> Visit:
    wav = tmp_path / "question.wav"
    await sound.record(wav, QUESTION, before_seconds=5.0, after_seconds=8.0)

    @asynccontextmanager
    async def visit(url: str, *flags: str, allowed: bool = True) -> AsyncIterator[Page]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        heard = microphone(wav if allowed else None)
        async with Chromium(chromium, tmp_path, *heard, *flags, environment=environment) as browser:
            page = await browser.page()
            try:
                await page.open(url, before=sound.EAR)
                yield page
            except BaseException:
                await page.screenshot(tmp_path / "failed.png")
                print(f"the page as it failed: {tmp_path / 'failed.png'}")
                raise

    return visit
