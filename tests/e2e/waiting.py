"""Waiting for a condition, with a deadline, and a line now and then for whoever looks on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

SECONDS = 240.0
"""Generous: a machine three times slower is to pass, too. What is slow shows in the figures."""

_POLL_SECONDS = 0.3
_TELL_SECONDS = 20.0


async def until(
    check: Callable[[], Awaitable[T | None]], what: str, say: Callable[[str], None], *, seconds: float = SECONDS
) -> T:
    """The first answer of `check` that counts as true.

    An AssertionError of `check` counts as not yet. AssertionError with `what` and the last answer at the deadline.
    """
    begun = told = time.monotonic()
    while True:
        try:
            seen: object = await check()
        except AssertionError as error:
            seen, last = None, str(error)
        else:
            last = repr(seen)
        if seen:
            return seen  # type: ignore[return-value]
        now = time.monotonic()
        assert now - begun < seconds, f"after {seconds:.0f} s still not: {what}; last seen: {last}"
        if now - told > _TELL_SECONDS:
            say(f"    {now - begun:.0f} s, waiting: {what}")
            told = now
        await asyncio.sleep(_POLL_SECONDS)
