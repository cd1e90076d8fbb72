"""One page in a browser, as a test uses it: what is on it, what is pressed, what it asks for, what it complains of."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.browser.devtools import DevTools

LIMIT_SECONDS = 180.0
_POLL_SECONDS = 0.05


class Page:
    """`complaints` are errors in its console, `requests` the addresses it has asked for."""

    def __init__(self, devtools: DevTools, session: str) -> None:
        self._devtools = devtools
        self._session = session
        self.complaints: list[str] = []
        self.requests: list[str] = []
        devtools.subscribe(session, self._told)

    async def open(self, url: str, *, before: str = "") -> None:
        """Load `url`; the script `before` runs before any of the page's own."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        if before:
            await self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def call(self, method: str, **values: Any) -> dict[str, Any]:
        return await self._devtools.call(method, self._session, **values)

    async def evaluate(self, expression: str) -> Any:
        """Its value, as JSON has it; a promise's when it is there. RuntimeError for what it throws."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = LIMIT_SECONDS) -> Any:
        """Its value as soon as it is true."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := await self.evaluate(expression)):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            text = await self.evaluate("document.body.innerText")
            raise AssertionError(f"{expression} does not hold after {seconds} s; {self.complaints}\n{text}") from None
        return value

    async def text(self, selector: str) -> str:
        """As a reader sees it: empty where it is hidden, or not there."""
        look = f"(found => found?.checkVisibility() ? found.innerText : '')(document.querySelector({selector!r}))"
        return str(await self.evaluate(look)).strip()

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({selector!r}).click()")

    async def press(self, key: str, code: int) -> None:
        """A key of the keyboard, on what has the focus."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    async def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def _told(self, event: str, values: Mapping[str, Any]) -> None:
        match event:
            case "Runtime.exceptionThrown":
                self.complaints.append(str(values["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if values["type"] == "error":
                self.complaints.append(str(values["args"]))
            case "Log.entryAdded" if values["entry"]["level"] == "error":
                self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
