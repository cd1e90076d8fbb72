"""The REST API as callers outside reach it: by HTTPS, through the ingress controller, under the name of the Ingress."""

from __future__ import annotations

import json
import ssl
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from tests.stack.rest import Answer, Rest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ANSWER_SECONDS = 240.0


class Door(Rest):
    """One caller: `token` goes with every request, if there is one.

    `address` (https://HOST:PORT) is where the controller listens; certificate and Host header are those of `host`. Each
    request has a connection of its own, so that none rests on a replica's good health a moment ago.
    """

    def __init__(self, address: str, host: str, ca_file: Path, token: str = "") -> None:
        super().__init__(address)
        self._host = host
        self._ca_file = ca_file
        self._token = token

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context, force_close=True),
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
        )
        return self

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises aiohttp.ClientError when no answer came."""
        sent = {"Host": self._host, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        begun = time.monotonic()
        async with self._http.request(
            method, self._url + path, json=body, headers={**sent, **(headers or {})}, server_hostname=self._host
        ) as response:
            text = await response.text()
            seen = json.loads(text) if response.content_type == "application/json" and text else text
            return Answer(response.status, seen, response.headers, time.monotonic() - begun, begun)
