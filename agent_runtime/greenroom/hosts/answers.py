"""Waiting for what a session's edge answers: told where the session is this process's own, asked where it is not."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom.lives import Settled
    from greenroom.registry import SessionInfo
    from greenroom_core.clock import Clock

LOOK_EVERY_SECONDS = 0.5
"""Of another process's session nobody tells us."""


async def settled(answer: Settled, clock: Clock, within_seconds: float) -> None:
    """Returns when it is, or when the time is over."""
    with suppress(TimeoutError):
        async with clock.timeout(within_seconds):
            await answer.wait()


async def polled(read: Callable[[], Awaitable[SessionInfo | None]], clock: Clock, within_seconds: float) -> str | None:
    """As :meth:`greenroom.hosts.SessionHost.answer` gives it; `read` finds the session while it lives."""
    give_up = clock.boot() + within_seconds
    while (info := await read()) is not None:
        remaining = give_up - clock.boot()
        if info.answer or remaining <= 0:
            return info.answer
        await clock.sleep(min(remaining, LOOK_EVERY_SECONDS))
    return None
