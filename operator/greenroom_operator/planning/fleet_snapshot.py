"""One fleet of runtime pods as one look at it sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom_operator.planning.cordons import closed
from greenroom_operator.planning.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.attempts import Attempts
    from greenroom_operator.planning.size import Size
    from greenroom_operator.planning.values import Fleet


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """`fleet` is None when the AgentRuntime is gone.

    `sessions` counts the ledger's sessions by pod uid; `empty_since` tells, in boot-clock seconds, since when a
    labelled pod holds none; `being_made` are creations under way; `template_error` is the server's word on the
    template, "" when it is good, None when it has not been asked; `waiting` sessions may take any pod's slot; `size` is
    the one that the look before came to, None at the first; `trial` is that of the newest revision; `cordoned_nodes`
    are the names of nodes that `kubectl cordon` has closed.
    """

    now: float
    wall: datetime
    fleet: Fleet | None
    pods: Sequence[Pod]
    sessions: Mapping[str, int]
    empty_since: Mapping[str, float]
    being_made: int
    attempts: Attempts
    template_error: str | None
    waiting: int = 0
    size: Size | None = None
    trial: Trial = field(default_factory=Trial)
    cordoned_nodes: Container[str] = frozenset()

    @property
    def live(self) -> list[Pod]:
        """Pods that merely carry the label are nobody's to count, and never deleted."""
        return [pod for pod in self.pods if pod.runtime and not pod.finished and not pod.leaving]

    def closed(self, pod: Pod) -> bool:
        return closed(pod, self.fleet, self.cordoned_nodes)

    def sessions_on(self, *pods: Pod) -> int:
        return sum(self.sessions.get(pod.metadata.uid, 0) for pod in pods)
