"""Waiting for several things at once, with a time limit, on a clock that is passed in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom_core.clock import Clock


async def first_of(clock: Clock, seconds: float, *some: asyncio.Future[Any]) -> bool:
    """Whether one of `some` was done within `seconds`. They go on, and raise nothing here."""
    with suppress(TimeoutError):
        async with clock.timeout(seconds):
            await asyncio.wait(some, return_when=asyncio.FIRST_COMPLETED)
    return any(item.done() for item in some)
