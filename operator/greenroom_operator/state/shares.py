"""What each caller, a value of the label that a runtime's queue is fair by, has had of it, kept up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.queue import Share, caller, later

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_core.model.session import AgentSession

_FEW = 1000


class Shares:
    """The shares of one runtime's callers. Those who hold nothing are remembered for when they were served last."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.by_caller: dict[str, Share] = {}
        self._most = _FEW

    @property
    def overgrown(self) -> bool:
        """Callers of whom there is no record any more have become many: count through anew."""
        return len(self.by_caller) > self._most

    def counted_through(self) -> None:
        """All that is on record is counted."""
        self._most = 2 * len(self.by_caller) + _FEW

    def served(self, session: AgentSession) -> None:
        """Notes when the session was given its slot."""
        if session.status.scheduled_at is not None:
            name = caller(session, self.label)
            share = self.by_caller.get(name, Share())
            self.by_caller[name] = Share(share.held, later(share.served_at, session.status.scheduled_at))

    def count(self, labels: Mapping[str, str], pod_uid: str | None, step: int) -> None:
        """One slot more or less, where a pod is named."""
        if pod_uid is not None:
            name = labels.get(self.label, "")
            share = self.by_caller.get(name, Share())
            self.by_caller[name] = Share(share.held + step, share.served_at)
