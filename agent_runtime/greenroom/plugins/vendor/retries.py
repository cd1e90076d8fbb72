"""Trying again, a few times, for a short while: somebody waits on the line."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from greenroom.plugins.vendor.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from greenroom_core.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """`attempts` in all; the pauses between them double from `first_seconds` up to `longest_seconds`."""

    attempts: int = 3
    first_seconds: float = 0.2
    longest_seconds: float = 2.0

    def pause_seconds(self, failures: int, chance: float, asked_seconds: float | None = None) -> float:
        """The pause after `failures` failed attempts: between half of it and all of it, as `chance` (0 to 1)
        decides, so that many sessions do not come back at once; as long as the vendor asks, where that is longer."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 16)
        pause = min(doubled, self.longest_seconds) * (0.5 + chance / 2)
        return max(pause, asked_seconds or 0.0)


_random = Random()


async def repeated(
    attempt: Callable[[], AsyncGenerator[T, None]],
    backoff: Backoff,
    clock: Clock,
    failed: Callable[[VendorError], None],
) -> AsyncGenerator[T, None]:
    """The items of `attempt()`; one that fails before its first item, and may succeed later, is repeated.

    Not where the vendor asks for a longer pause than the backoff's longest: to ask before would be in vain, and nobody
    waits so long. `failed` is told of each failure that another attempt follows.
    """
    failures = 0
    while True:
        begun = False
        try:
            async with aclosing(attempt()) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except VendorError as error:
            failures += 1
            asked = error.retry_after_seconds
            too_late = asked is not None and asked > backoff.longest_seconds
            if begun or too_late or not error.retryable or failures >= backoff.attempts:
                raise
            failed(error)
        await clock.sleep(backoff.pause_seconds(failures, _random.random(), asked))
