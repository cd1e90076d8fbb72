"""How often one caller may ask. Buckets that fill again; no clock of its own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

CALLERS = 10_000


class Throttle:
    """`per_second` requests in the long run, `burst` at once; for each replica by itself."""

    def __init__(self, clock: Clock, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, caller: str) -> float:
        """0: this request may pass, and counts. Else how long until one may."""
        now = self._clock.boot()
        left, at = self._buckets.get(caller, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        passes = left >= 1.0
        self._buckets[caller] = (left - 1.0 if passes else left, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1.0 - left) / self._per_second
