"""When to kill a session's process. Decided without a clock: seconds in, a verdict out.

Only seconds in which the launcher itself looked are counted, so that one that stood still, or slept with its machine,
blames no session for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

# Who still reports ends its start, or its leaving, itself and says so. What that takes besides its time limits:
# agent.close() gets five seconds at least, giving up a build up to ten.
_LEAVING_GRACE_SECONDS = 6.0
_START_GRACE_SECONDS = 17.0
_EXIT_SECONDS = 5.0
_UNRESPONSIVE_AFTER_REPORTS = 2.5


class Verdict(StrEnum):
    BLOCKED = "blocked"
    LEAVES_TOO_SLOWLY = "leaves too slowly"
    STARTS_TOO_SLOWLY = "starts too slowly"
    DOES_NOT_EXIT = "does not exit"


@dataclass(slots=True)
class Vigil:
    """Over one process. `blocked_loop_seconds` is how long it may say nothing at all."""

    blocked_loop_seconds: float
    start_timeout_seconds: float
    silent_seconds: float = 0.0
    _start_left: float = 0.0
    _leaving_left: float = math.inf
    _exit_left: float = math.inf

    def __post_init__(self) -> None:
        self._start_left = self.start_timeout_seconds

    @property
    def pause_seconds(self) -> float:
        """How often to look, and how often the process has to report."""
        return min(1.0, self.blocked_loop_seconds / 5)

    def heard(self) -> None:
        self.silent_seconds = 0.0

    def built(self) -> None:
        self._start_left = math.inf

    def leaving(self, within_seconds: float) -> None:
        self._leaving_left = min(self._leaving_left, within_seconds)

    def over(self) -> None:
        """The life has ended; the process is to follow."""
        self._exit_left = min(self._exit_left, _EXIT_SECONDS)

    def passed(self, seconds: float) -> Verdict | None:
        """`seconds` have passed; whether that was too long."""
        self.silent_seconds += seconds
        self._start_left -= seconds
        self._leaving_left -= seconds
        self._exit_left -= seconds
        if self._exit_left <= 0:
            return Verdict.DOES_NOT_EXIT
        if math.isfinite(self._exit_left):
            return None
        if self._leaving_left <= (0 if self._unresponsive else -_LEAVING_GRACE_SECONDS):
            return Verdict.LEAVES_TOO_SLOWLY
        if self.silent_seconds >= self.blocked_loop_seconds:
            return Verdict.BLOCKED
        if self._start_left <= (0 if self._unresponsive else -_START_GRACE_SECONDS):
            return Verdict.STARTS_TOO_SLOWLY
        return None

    @property
    def _unresponsive(self) -> bool:
        return self.silent_seconds > _UNRESPONSIVE_AFTER_REPORTS * self.pause_seconds
