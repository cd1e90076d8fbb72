"""What a loop waits on between two turns: a ring, or its time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.clock import Clock


class Alarm:
    """Rings that nobody has heard yet are one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def heard(self, within_seconds: float) -> bool:
        """Returns at a ring, one of before included, or when the time is up; False for that."""
        try:
            async with self._clock.timeout(max(within_seconds, 0.0)):
                await self._rung.wait()
                return True
        except TimeoutError:
            return False
        finally:
            self._rung.clear()
