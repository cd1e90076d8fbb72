"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """What `condition` gives as soon as it is true."""
    async with asyncio.timeout(seconds):
        while not (outcome := await condition()):
            await asyncio.sleep(0.005)
        return outcome


async def until_not(condition: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> None:
    async def over() -> bool:
        return not await condition()

    await until(over, seconds)
