"""The real transport: aiohttp, one bounded pool of connections, HTTP/1.1."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import aiohttp

from greenroom_core.kube.transport import Answer, Request, Stream, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from greenroom_core.kube.auth import Credentials

_NOTHING_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class HttpTransport:
    """Open it with ``async with``; leaving closes every connection."""

    def __init__(self, credentials: Credentials, *, user_agent: str, connections_limit: int = 80) -> None:
        self._credentials = credentials
        self._user_agent = user_agent
        self._connections_limit = connections_limit
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            base_url=self._credentials.server,
            connector=aiohttp.TCPConnector(
                limit=self._connections_limit, ssl=self._credentials.tls, keepalive_timeout=75
            ),
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        try:
            async with self._open(request, aiohttp.ClientTimeout(total=timeout_seconds)) as response:
                body = await response.read()
                return Answer(response.status, body, _seconds(response.headers.get("Retry-After")))
        except _NOTHING_SENT as error:
            raise TransportError(str(error), sent=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence_seconds)
        try:
            async with self._open(request, timeout) as response:
                yield Stream(response.status, _lines(response.content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error

    def _open(self, request: Request, timeout: aiohttp.ClientTimeout) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            raise RuntimeError("the transport is not open: use `async with HttpTransport(...)`")
        headers = {"Content-Type": request.content_type} if request.body is not None else {}
        if token := self._credentials.token():
            headers["Authorization"] = f"Bearer {token}"
        return self._session.request(
            request.method,
            request.path,
            params=request.query,
            data=request.body,
            headers=headers,
            timeout=timeout,
        )


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines of any length; the reader's own line iteration gives up at 128 kB."""
    rest = b""
    try:
        async for chunk in content.iter_any():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line:
                    yield line
    except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        raise TransportError(f"{type(error).__name__}: {error}") from error
    if rest:
        yield rest
