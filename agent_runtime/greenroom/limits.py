"""The time limits of one session, decided without a clock: seconds in, a reason or a pause out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom_core.model.session import SessionLimits

_SHORTEST_PAUSE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """All in seconds. `idle_timeout_seconds` 0 turns that limit off; `check_interval_seconds` is how often an agent
    is asked at least; `spent_seconds` have passed of the longest duration since the session's first start, in attempts
    before this one."""

    start_timeout_seconds: float = 60.0
    idle_timeout_seconds: float = 60.0
    max_duration_seconds: float | None = None
    leave_timeout_seconds: float = 30.0
    check_interval_seconds: float = 5.0
    spent_seconds: float = 0.0

    def with_session(self, asked: SessionLimits) -> TimeLimits:
        """What a session asks for itself goes before what the launcher says."""
        given = {
            "idle_timeout_seconds": asked.idle_timeout_seconds,
            "max_duration_seconds": asked.max_duration_seconds,
        }
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def overstepped(self, *, elapsed: float, idle_for: float, on_call_for: float) -> EndReason | None:
        """The limit that ends the session now. `elapsed` counts from when the agent was built."""
        if 0 < self.idle_timeout_seconds <= idle_for:
            return EndReason.IDLE
        longest = self.max_duration_seconds
        if longest is not None and longest <= self.spent_seconds + max(elapsed, on_call_for):
            return EndReason.MAX_DURATION
        return None

    def start_overdue(self, *, elapsed: float) -> bool:
        """An agent that is still being built has had its time."""
        return self.start_timeout_seconds - elapsed < _SHORTEST_PAUSE_SECONDS

    def next_start_check_seconds(self, *, elapsed: float) -> float:
        """How long to wait before an agent that is being built is looked at."""
        return min(self.check_interval_seconds, self.start_timeout_seconds - elapsed)

    def next_check_seconds(self, *, elapsed: float, idle_for: float) -> float:
        """How long nothing can be overstepped: an agent cannot grow idle faster than time passes."""
        pause = self.check_interval_seconds
        if self.idle_timeout_seconds > 0:
            pause = min(pause, self.idle_timeout_seconds - idle_for)
        if self.max_duration_seconds is not None:
            pause = min(pause, self.max_duration_seconds - self.spent_seconds - elapsed)
        return max(pause, _SHORTEST_PAUSE_SECONDS)

    def describe(self, reason: EndReason) -> str:
        """What a status says about a limit of this kind."""
        match reason:
            case EndReason.IDLE:
                return f"the agent was alone for {self.idle_timeout_seconds:g} s"
            case EndReason.MAX_DURATION:
                return f"the session had lasted {self.max_duration_seconds:g} s"
            case EndReason.START_TIMEOUT:
                return f"create_agent and warm-up took over {self.start_timeout_seconds:g} s"
            case _:
                return ""
