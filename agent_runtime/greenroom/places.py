"""How many sessions there may be at once, in all and on one call."""

from __future__ import annotations

from collections import Counter

from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded


class Places:
    """A place is taken before anything is built, so that no number of callers can pass a limit together, and given
    back when the agent has left. None is no limit."""

    def __init__(self, at_once: int | None, per_call: int | None) -> None:
        self._at_once = at_once
        self._per_call = per_call
        self._taken: Counter[str] = Counter()

    def take(self, call_id: str) -> None:
        """Raises MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded."""
        if self._at_once is not None and self._taken.total() >= self._at_once:
            raise MaxConcurrentSessionsExceeded(self._at_once)
        if self._per_call is not None and self._taken[call_id] >= self._per_call:
            raise MaxSessionsPerCallExceeded(self._per_call)
        self._taken[call_id] += 1

    def give_back(self, call_id: str) -> None:
        self._taken[call_id] -= 1
        if not self._taken[call_id]:
            del self._taken[call_id]
