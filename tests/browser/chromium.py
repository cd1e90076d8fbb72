"""A headless Chromium as a process, with a file for a microphone."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from tests.browser.devtools import DevTools
from tests.browser.page import Page

from greenroom_core.clock import SystemClock
from greenroom_local.children import ChildProcess, Command

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

START_SECONDS = 180.0
_QUIET = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--no-default-browser-check", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--mute-audio", "--hide-scrollbars", "--window-size=1200,800"),
    # A machine that has no network but itself has no other way to the agent.
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)


def microphone(wav: Path | None) -> tuple[str, ...]:
    """Flags for a microphone that is allowed and plays `wav` over and over; None: it is denied."""
    device = "--use-fake-device-for-media-stream"
    if wav is None:
        return (device, "--use-fake-ui-for-media-stream=deny")
    return (device, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={wav}")


class Chromium:
    """``async with Chromium(program, directory, *flags) as browser: page = await browser.page()``"""

    def __init__(self, program: Path, directory: Path, *flags: str, environment: dict[str, str]) -> None:
        self._profile = directory / "profile"
        command = [
            *(str(program), *_QUIET, *flags),
            *("--remote-debugging-port=0", f"--user-data-dir={self._profile}", "about:blank"),
        ]
        log = directory / "chromium.log"
        self._process = ChildProcess(Command("chromium", command, environment, log), SystemClock())

    async def __aenter__(self) -> Self:
        self._opened = AsyncExitStack()
        try:
            self._process.start()
            self._opened.push_async_callback(self._process.kill)
            self._devtools = await self._opened.enter_async_context(DevTools(await self._address()))
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def page(self) -> Page:
        target = await self._devtools.call("Target.createTarget", url="about:blank")
        attached = await self._devtools.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return Page(self._devtools, attached["sessionId"])

    async def _address(self) -> str:
        """Where it says that it listens."""
        file = self._profile / "DevToolsActivePort"
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert self._process.running, f"Chromium ended:\n{self._process.last_lines(30)}"
                with contextlib.suppress(OSError, ValueError):
                    port, path = file.read_text().split()
                    return f"ws://127.0.0.1:{port}{path}"
                await asyncio.sleep(0.05)
