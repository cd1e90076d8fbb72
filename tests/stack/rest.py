"""A client of the REST API, as thin as a client can be."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`seconds` is the time that the answer took; `sent_at` is of the machine's monotonic clock."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    sent_at: float = 0.0

    @property
    def session_id(self) -> str:
        assert self.status in (200, 201), f"{self.status} {self.body}"
        return str(self.body["session_id"])

    @property
    def detail(self) -> Any:
        return self.body["detail"]


class Rest:
    """Requests to one API, over as many connections as are needed."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises aiohttp.ClientError when no answer came."""
        begun = time.monotonic()
        async with self._http.request(method, self._url + path, json=body, headers=headers) as response:
            text = await response.read()
            is_json = response.content_type == "application/json" and text
            seen = await response.json() if is_json else text.decode()
            return Answer(response.status, seen, response.headers, time.monotonic() - begun, begun)

    async def start(self, call_id: str, key: str | None = None, **body: Any) -> Answer:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.ask("POST", f"/calls/{call_id}/sessions", body, headers)

    async def start_patiently(self, call_id: str, key: str, **body: Any) -> Answer:
        """As a good client does: the same key again until there is an answer other than 503."""
        while True:
            try:
                answer = await self.start(call_id, key, **body)
                if answer.status != 503:
                    return answer
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)

    async def look(self, call_id: str, session_id: str) -> Answer:
        return await self.ask("GET", f"/calls/{call_id}/sessions/{session_id}")

    async def metrics(self, call_id: str, session_id: str) -> Answer:
        return await self.ask("GET", f"/calls/{call_id}/sessions/{session_id}/metrics")

    async def answer(self, call_id: str, session_id: str, wait_seconds: float = 20) -> Answer:
        """What its agent answers to the offer among its parameters."""
        path = f"/calls/{call_id}/sessions/{session_id}/answer?wait_seconds={wait_seconds:g}"
        return await self.ask("GET", path)

    async def close(self, call_id: str, session_id: str) -> Answer:
        return await self.ask("DELETE", f"/calls/{call_id}/sessions/{session_id}")
