"""One client's way to the fake server, with everything that can go wrong on it.

By itself it costs no time. `faults` may delay, drop and answer; the connection may be held, watches may be cut. What
a client has sent goes on travelling when the client gives up: it may still be carried out later.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING

from tests.fakes.apiserver.answers import Failure, Object

from greenroom_core.kube.transport import Answer, Request, Stream, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tests.fakes.apiserver.server import FakeApiServer
    from tests.fakes.apiserver.watches import Subscription

_WATCH_SECONDS = 1_800.0


class Faults:
    """What happens between client and server; subclass it, or use :class:`tests.fakes.apiserver.faults.Script`.

    Each hook may wait. Raising TransportError drops: the request before it is carried out (with `sent=False`: it never
    left), the reply after it.
    """

    async def before(self, request: Request) -> Answer | None:
        """Before the server sees it; an Answer is given in the server's stead."""
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        """After the server carried it out."""
        return answer

    def watched(self, request: Request) -> Request:
        """What the server takes a watch's request for."""
        return request

    def watch_delay_seconds(self, request: Request) -> float:
        """How long after the write an event of this watch arrives."""
        return 0.0


class FakeTransport:
    """A :class:`greenroom_core.kube.transport.Transport`."""

    def __init__(self, server: FakeApiServer, user: str) -> None:
        self.faults = Faults()
        self.user = user
        self._server = server
        self._network = copy_context()  # what is on its way is no part of the program that sent it
        self._trips: dict[asyncio.Task[Answer], None] = {}
        self._watches: dict[Subscription, None] = {}  # in the order of opening, so that a run repeats itself
        self._connected = asyncio.Event()
        self._connected.set()

    async def send(self, request: Request, timeout_seconds: float) -> Answer:
        trip = asyncio.get_running_loop().create_task(
            self._trip(request), name=f"{request.method} {request.path}", context=self._network
        )
        self._trips[trip] = None
        trip.add_done_callback(self._arrived)
        try:
            async with self._server.clock.timeout(timeout_seconds):
                return await asyncio.shield(trip)
        except TimeoutError:
            raise TransportError(f"no answer in {timeout_seconds:g} s") from None

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Stream]:
        await asyncio.sleep(0)
        if (answer := await self.faults.before(request)) is not None:
            yield Stream(answer.status, _once(answer.body))
            return
        await self._wait_connected(silence_seconds)
        self._refuse_if_stopped()
        try:
            subscription = self._server.watch(self.faults.watched(request))
        except Failure as failure:
            yield Stream(failure.status, _once(failure.answer().body))
            return
        self._watches[subscription] = None
        lines = self._lines(request, subscription, silence_seconds)
        try:
            yield Stream(200, lines)
        finally:
            await lines.aclose()
            self._watches.pop(subscription, None)
            self._server.unwatch(subscription)

    def cut_watches(self) -> None:
        """Breaks the connections of this client's open watches."""
        for subscription in self._watches:
            subscription.end(TransportError("connection reset by peer"))

    def end_watches(self) -> None:
        """The server ends this client's open watches in good order."""
        for subscription in self._watches:
            subscription.end()

    def tell_watches(self, resource: str, kind: str, body: Object) -> None:
        """Puts an event that never happened into this client's open watches of `resource`."""
        for subscription in self._watches:
            if subscription.interest.resource == resource and subscription.interest.matches(body):
                subscription.add(kind, body)

    def sever(self) -> None:
        """The server sees that the client is gone."""
        for subscription in self._watches:
            self._server.unwatch(subscription)

    def hold(self) -> None:
        """Nothing passes any more, in either direction, and nobody is told."""
        self._connected.clear()

    def release(self) -> None:
        """What was held arrives now."""
        self._connected.set()

    @property
    def open_watches(self) -> int:
        return len(self._watches)

    async def aclose(self) -> None:
        """Ends what is still travelling."""
        trips = list(self._trips)
        for trip in trips:
            trip.cancel()
        await asyncio.gather(*trips, return_exceptions=True)

    async def _trip(self, request: Request) -> Answer:
        if (answer := await self.faults.before(request)) is not None:
            return answer
        await self._connected.wait()
        self._refuse_if_stopped()
        answer = self._server.handle(request, self.user)
        answer = await self.faults.after(request, answer)
        await self._connected.wait()
        return answer

    def _arrived(self, trip: asyncio.Task[Answer]) -> None:
        self._trips.pop(trip, None)
        if not trip.cancelled():
            trip.exception()  # looked at, since its client may have given up

    def _refuse_if_stopped(self) -> None:
        if not self._server.running:
            raise TransportError("connection refused", sent=False)

    async def _wait_connected(self, seconds: float) -> None:
        try:
            async with self._server.clock.timeout(seconds):
                await self._connected.wait()
        except TimeoutError:
            raise TransportError(f"silent for {seconds:g} s") from None

    async def _lines(
        self, request: Request, subscription: Subscription, silence_seconds: float
    ) -> AsyncGenerator[bytes, None]:
        clock = self._server.clock
        timeout_seconds = float(request.query.get("timeoutSeconds") or _WATCH_SECONDS)
        lines = subscription.lines(timeout_seconds, lambda: self._server.bookmark(request, subscription))
        while True:
            try:
                async with clock.timeout(silence_seconds):
                    line = await anext(lines)
                    await self._connected.wait()
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise TransportError(f"silent for {silence_seconds:g} s") from None
            late = line.at + self.faults.watch_delay_seconds(request) - clock.boot()
            if late > 0:
                await clock.sleep(late)
            if subscription.breaks_with is not None:
                raise subscription.breaks_with
            yield line.data


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
