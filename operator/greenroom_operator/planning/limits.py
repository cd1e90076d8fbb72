"""The two limits of an AgentRuntime: over one of them a session ends at once, it does not wait."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.values import CallKey, RuntimeKey, Tally, call_key, runtime_key

if TYPE_CHECKING:
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession


class Admission:
    """One cycle's admissions on top of the ledger's tally."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._by_runtime: Counter[RuntimeKey] = Counter()
        self._by_call: Counter[CallKey] = Counter()

    def refusal(self, session: AgentSession, runtime: AgentRuntime) -> tuple[EndReason, str] | None:
        """Why the session may not be admitted, or None; then it counts from here on."""
        limits = runtime.spec.limits
        fleet, call = runtime_key(session), call_key(session)
        most = limits.max_concurrent_sessions
        if most is not None and self._tally.in_runtime(fleet) + self._by_runtime[fleet] >= most:
            text = f"AgentRuntime {fleet.name!r} has reached maxConcurrentSessions of {most}"
            return EndReason.MAX_CONCURRENT_SESSIONS, text
        most = limits.max_sessions_per_call
        if most is not None and self._tally.in_call(call) + self._by_call[call] >= most:
            text = f"call {call.call_id!r} has reached maxSessionsPerCall of {most}"
            return EndReason.MAX_SESSIONS_PER_CALL, text
        self._by_runtime[fleet] += 1
        self._by_call[call] += 1
        return None
