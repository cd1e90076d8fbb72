"""The events of one conversation in their order, and waiting for what is to come. Knows no agent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from greenroom.agent.events import Event
    from greenroom_core.clock import Clock

T = TypeVar("T")


class WaitedTooLong(AssertionError):
    """Something did not come in time; the message says what was awaited and what came."""


class CallOver(AssertionError):
    """The call ended while something was awaited; the cause is what the agent's code raised, if it did."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, `at_seconds` after the conversation began."""

    at_seconds: float
    event: Event

    def __str__(self) -> str:
        values = (f"{field.name}={getattr(self.event, field.name)!r}" for field in fields(self.event) if field.compare)
        return f"{self.at_seconds:8.3f} s  {' '.join((self.event.type, *values))}"


def listed(entries: Sequence[Entry]) -> str:
    """The entries for a message, one a line."""
    if not entries:
        return "no events came"
    lines = (f"  {number:2}. {entry}" for number, entry in enumerate(entries, 1))
    return "\n".join(("these events came:", *lines))


class Log:
    """All events so far; `clock` gives their times. `error` is what the agent's code raised at the end of the call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at = clock.boot()
        self._changed = asyncio.Event()
        self._over = False
        self.error: BaseException | None = None
        self.entries: list[Entry] = []

    def hear(self, event: Event) -> None:
        self.entries.append(Entry(self._clock.boot() - self._began_at, event))
        self._changed.set()

    def end(self, error: BaseException | None) -> None:
        """No more events come; the agent's code raised `error`, if it did."""
        self._over = True
        self.error = error
        self._changed.set()

    async def until(self, find: Callable[[Sequence[Entry]], T | None], what: str) -> T:
        """What `find` finds among the entries, as soon as it does. CallOver once it cannot any more."""
        while (found := find(self.entries)) is None:
            self.check(what)
            self._changed.clear()
            await self._changed.wait()
        return found

    def check(self, what: str) -> None:
        """Raises CallOver if the call is over, so that `what` will not be."""
        if self._over:
            raised = "" if self.error is None else f" with {described(self.error)}"
            raise CallOver(f"waited for {what}, but the call ended{raised}; {listed(self.entries)}") from self.error

    @asynccontextmanager
    async def limited(self, seconds: float, what: str) -> AsyncIterator[None]:
        """The block may take `seconds`; WaitedTooLong after that."""
        try:
            async with self._clock.timeout(seconds):
                yield
        except TimeoutError:
            raise WaitedTooLong(f"waited {seconds:g} s for {what}; {listed(self.entries)}") from None
