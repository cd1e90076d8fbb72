"""What the fakes of vendors have in common: a small server on loopback, a key, and things that go wrong."""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

KEY = "fake-key-1234567890"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request or connection. Where the fake sends pieces, `after` is how many go well."""

    status: int | None = None  # refuse with this
    retry_after: str | None = None
    delay_seconds: float = 0.0  # before the first piece
    after: int = 0
    cut: bool = False  # break the connection
    stall: bool = False  # send nothing more, hang
    malformed: bool = False  # send rubbish


@dataclass
class VendorServer:
    """Answers as the vendor does. `faults` are used up one a request, None for a good one. With `tls` it is https."""

    key: str = KEY
    port: int = 0
    faults: deque[Fault | None] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    refused: int = 0
    in_work: int = 0
    tls: ssl.SSLContext | None = None

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}" if self.tls is None else f"https://localhost:{self.port}"

    @property
    def connections(self) -> int:
        """Open TCP connections."""
        server = self._runner.server
        return len(server.connections) if server is not None else 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    def next_fault(self) -> Fault:
        return (self.faults.popleft() if self.faults else None) or Fault()

    async def settled(self, connections: int = 0, seconds: float = 30.0) -> None:
        """No request is in work and at most `connections` are open. TimeoutError if that does not come."""
        async with asyncio.timeout(seconds):
            while self.in_work or self.connections > connections:
                await asyncio.sleep(0.01)


async def faulty(
    pieces: AsyncIterator[bytes], fault: Fault, request: web.Request, rubbish: bytes
) -> AsyncIterator[bytes]:
    """`pieces` with what `fault` does to them."""
    await asyncio.sleep(fault.delay_seconds)
    count = 0
    async for piece in pieces:
        if count == fault.after and (fault.cut or fault.stall or fault.malformed):
            if fault.cut and request.transport is not None:
                request.transport.abort()
                return
            if fault.stall:
                await asyncio.sleep(3600)
            yield rubbish
        count += 1
        yield piece


def serve_for_ever(server: VendorServer, name: str) -> None:
    """Run `server` as a program until it is interrupted."""

    async def run() -> None:
        async with server:
            print(f"{name} on {server.url}", flush=True)
            await asyncio.Event().wait()

    asyncio.run(run())


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=KEY, help="the only API key that is taken")
    return parser
