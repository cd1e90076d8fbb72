"""Watches: who is told of which write, in what form, and when a watch ends."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from tests.fakes.apiserver.answers import Failure, Object
from tests.fakes.apiserver.storage import Key, Record, at_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from greenroom_core.clock import Clock

BOOKMARK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """One event on its way; `at` is the clock's boot time of the write."""

    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Interest:
    """Which objects a watch is about."""

    resource: str
    namespace: str
    matches: Callable[[Object], bool]

    def covers(self, key: Key) -> bool:
        return key.resource == self.resource and self.namespace in ("", key.namespace)


def event(record: Record, interest: Interest) -> tuple[str, Object] | None:
    """The event that `record` is to a watcher: leaving the selection is a deletion with the body from before."""
    if not interest.covers(record.key):
        return None
    was = record.before is not None and interest.matches(record.before)
    is_ = record.after is not None and interest.matches(record.after)
    if was and not is_:
        assert record.before is not None
        return "DELETED", at_version(record.before, record.version)
    if is_:
        assert record.after is not None
        return ("MODIFIED" if was else "ADDED"), record.after
    return None


def encoded(type_: str, body: Object) -> bytes:
    return msgspec.json.encode({"type": type_, "object": body})


class Subscription:
    """One open watch. The server fills it as it writes; :meth:`lines` is read by the client's transport."""

    def __init__(self, interest: Interest, clock: Clock) -> None:
        self.interest = interest
        self.start_version = 0
        self.ended = False
        self.breaks_with: Exception | None = None
        self._clock = clock
        self._lines: deque[Line] = deque()
        self._wake = asyncio.Event()

    def publish(self, record: Record) -> None:
        found = event(record, self.interest)
        if found is not None:
            self.add(*found)

    def add(self, type_: str, body: Object) -> None:
        self._lines.append(Line(encoded(type_, body), self._clock.boot()))
        self._wake.set()

    def end(self, error: Exception | None = None) -> None:
        """Ends the stream after what is in it; with `error` at once and by raising it."""
        self.ended = True
        self.breaks_with = error
        self._wake.set()

    def fail(self, failure: Failure) -> None:
        """Ends the stream with an ERROR event."""
        self.add("ERROR", failure.body())
        self.end()

    async def lines(self, timeout_seconds: float, bookmark: Callable[[], Object | None]) -> AsyncIterator[Line]:
        """Ends after `timeout_seconds`; every minute and 2 s before the end `bookmark` is asked for one."""
        begun = self._clock.boot()
        end = begun + timeout_seconds
        marks = deque(sorted({*_every_minute(begun, end), max(end - 2.0, begun)}))
        while True:
            while self._lines and self.breaks_with is None:
                yield self._lines.popleft()
            if self.breaks_with is not None:
                raise self.breaks_with
            now = self._clock.boot()
            if self.ended or now >= end:
                return
            if marks and now >= marks[0]:
                marks.popleft()
                if (mark := bookmark()) is not None:
                    yield Line(encoded("BOOKMARK", mark), now)
                continue
            await self._wait((marks[0] if marks else end) - now)

    async def _wait(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with self._clock.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _every_minute(begun: float, end: float) -> list[float]:
    return [begun + BOOKMARK_SECONDS * n for n in range(1, int((end - begun) // BOOKMARK_SECONDS) + 1)]
