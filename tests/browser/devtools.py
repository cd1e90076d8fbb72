"""The DevTools protocol: one WebSocket to a browser, with a session for each of its pages."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

ANSWER_SECONDS = 120.0
_MAX_MESSAGE_BYTES = 256 * 1024 * 1024


class DevTools:
    """``async with DevTools(url) as devtools:``; an answer that is an error is a RuntimeError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._told: dict[str, Callable[[str, Mapping[str, Any]], None]] = {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(self._url, max_msg_size=_MAX_MESSAGE_BYTES)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._reading
        await self._http.close()

    def subscribe(self, session: str, told: Callable[[str, Mapping[str, Any]], None]) -> None:
        """`told` gets the name and the values of each event of a session."""
        self._told[session] = told

    async def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": values}
        await self._socket.send_json(message if session is None else {**message, "sessionId": session})
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await answer
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']['message']}")
        result: dict[str, Any] = found["result"]
        return result

    async def _read(self) -> None:
        async for message in self._socket:
            body = message.json()
            if "id" in body:
                answer = self._waiting.pop(body["id"])
                if not answer.done():
                    answer.set_result(body)
            elif (told := self._told.get(body.get("sessionId", ""))) is not None:
                told(body["method"], body["params"])
        for answer in self._waiting.values():
            answer.cancel()
