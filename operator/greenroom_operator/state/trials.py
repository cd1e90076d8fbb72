"""How the sessions of each revision fared at their start: what a rollout is judged by.

Rebuilt by a new leader from the sessions that there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.trial import Trial

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.values import RuntimeKey

_START_FAILURES = frozenset({EndReason.AGENT_ERROR, EndReason.START_TIMEOUT})


class Trials:
    """Counts each attempt's start once."""

    def __init__(self) -> None:
        self._trials: dict[tuple[RuntimeKey, str], Trial] = {}

    def of(self, runtime: RuntimeKey, revision: str) -> Trial:
        return self._trials.get((runtime, revision), Trial())

    def observe(self, runtime: RuntimeKey, before: AgentSession | None, after: AgentSession) -> bool:
        """The session has become `after`; whether its revision has begun or ceased to fail by it, which changes what
        pods serve. Most starts do not, and cost the fleet's queue no further look."""
        revision = after.status.revision
        if revision is None:
            return False
        trial = self.of(runtime, revision)
        if _started(after) and not (before is not None and _started(before) and _same_attempt(before, after)):
            changed = Trial(trial.started + 1, trial.failed, trial.message)
        elif _failed_at_start(after) and not (before is not None and before.ended):
            changed = Trial(trial.started, trial.failed + 1, after.status.message or "")
        else:
            return False
        self._trials[runtime, revision] = changed
        return changed.failing != trial.failing

    def keep_only(self, runtime: RuntimeKey, revision: str) -> None:
        """The newest revision is the only one on trial."""
        for key in [key for key in self._trials if key[0] == runtime and key[1] != revision]:
            del self._trials[key]


def _started(session: AgentSession) -> bool:
    return session.status.started_at is not None


def _same_attempt(before: AgentSession, after: AgentSession) -> bool:
    return before.status.attempt == after.status.attempt


def _failed_at_start(session: AgentSession) -> bool:
    return session.ended and not _started(session) and session.status.reason in _START_FAILURES
