"""A transport around another that can cut and hold watches and change requests: faults that the real server's side
of the suite needs too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from greenroom_core.kube.transport import Answer, Request, Stream, Transport, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Meddling:
    """`seen` holds every request in the order of sending, watches included."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.seen: list[Request] = []
        self.watch_version: str | None = None
        self._broken = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        self.seen.append(request)
        return await self.inner.send(request, timeout_seconds)

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        if self._broken.is_set():
            raise TransportError("connection refused", sent=False)
        if self.watch_version is not None:
            request = replace(request, query={**request.query, "resourceVersion": self.watch_version})
            self.watch_version = None
        self.seen.append(request)
        async with self.inner.stream(request, silence_seconds) as stream:
            yield Stream(stream.status, self._lines(stream.lines))

    def cut_watches(self) -> None:
        """Breaks open watches and refuses new ones until they are let through."""
        self._broken.set()

    def let_watches_through(self, *, from_version: str | None = None) -> None:
        """The next watch asks for `from_version` instead of its own, where one is given."""
        self.watch_version = from_version
        self._broken.clear()

    def hold_watches(self) -> None:
        """Events stay on their way until they are released."""
        self._flowing.clear()

    def release_watches(self) -> None:
        self._flowing.set()

    @property
    def watches_seen(self) -> list[Request]:
        return [request for request in self.seen if "watch" in request.query]

    async def _lines(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            line = await self._next(lines)
            await self._flowing.wait()
            if line is None:
                return
            yield line

    async def _next(self, lines: AsyncIterator[bytes]) -> bytes | None:
        """The next line, None at the end; raises as soon as the watch is cut."""
        line = asyncio.ensure_future(_first(lines))
        broken = asyncio.ensure_future(self._broken.wait())
        try:
            await asyncio.wait((line, broken), return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                raise TransportError("connection reset by peer")
            return line.result()
        finally:
            for task in (line, broken):
                task.cancel()
            await asyncio.gather(line, broken, return_exceptions=True)


async def _first(lines: AsyncIterator[bytes]) -> bytes | None:
    return await anext(lines, None)
