"""Counts the sessions that certainly hold a place, so that a start beyond a limit is refused without a write.

The operator stays the judge: what is not certain here is left to it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from greenroom_api.backend import Limit
from greenroom_api.cluster.verdicts import holds_a_place

if TYPE_CHECKING:
    from greenroom_core.kube.feed import Change
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession


class Tally:
    """Sessions by runtime, and by runtime and call."""

    def __init__(self) -> None:
        self._by_runtime: Counter[str] = Counter()
        self._by_call: Counter[tuple[str, str]] = Counter()

    def changed(self, change: Change[AgentSession]) -> None:
        if change.old is not None and holds_a_place(change.old):
            self._add(change.old, -1)
        if change.new is not None and holds_a_place(change.new):
            self._add(change.new, 1)

    def limit_met(self, runtime: AgentRuntime, call_id: str) -> Limit | None:
        """The limit that one more session of that call would break, if any."""
        name, limits = runtime.metadata.name, runtime.spec.limits
        if limits.max_concurrent_sessions is not None and self._by_runtime[name] >= limits.max_concurrent_sessions:
            return Limit.CONCURRENT_SESSIONS
        if limits.max_sessions_per_call is not None and self._by_call[name, call_id] >= limits.max_sessions_per_call:
            return Limit.SESSIONS_PER_CALL
        return None

    def _add(self, session: AgentSession, step: int) -> None:
        runtime, call = session.spec.runtime, (session.spec.runtime, session.spec.call_id)
        self._by_runtime[runtime] += step
        self._by_call[call] += step
        if not self._by_call[call]:
            del self._by_call[call]
