"""Time as a value that is passed in.

Programs take a :class:`Clock` and never read the time, sleep or set a time limit in another way, so that a
test can run all of them on virtual time.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

# Counts while the machine sleeps, so a lease cannot look fresh after a suspend. Linux alone names it;
# elsewhere the monotonic clock is the nearest thing.
_BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Everything a program may ask of time."""

    def wall(self) -> datetime:
        """Now, an aware UTC datetime: for timestamps that other programs read."""
        ...

    def boot(self) -> float:
        """Seconds since some fixed point, never set back, suspend included: for leases and durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; returns after `seconds`."""
        ...

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """An ``async with`` block that raises :class:`TimeoutError` after `seconds` (None: never)."""
        ...

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Call `act` on the running loop after `seconds`, unless it is cancelled: cheaper than a task that sleeps."""
        ...


class Timer(Protocol):
    """Something that is yet to happen."""

    def cancel(self) -> None: ...


class SystemClock:
    """The machine's own time."""

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, act)
