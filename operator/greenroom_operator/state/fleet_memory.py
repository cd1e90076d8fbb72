"""What is remembered of one fleet between two looks at it. Times are boot-clock seconds."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom_operator.planning.attempts import Attempts
from greenroom_operator.planning.trouble import exit_reason

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import RuntimeStatus
    from greenroom_operator.planning.size import Size

logger = logging.getLogger("greenroom.operator.fleets")


@dataclass(slots=True)
class FleetMemory:
    """`uid` is the AgentRuntime's. `attempts` and `empty_since` are written here alone. Of the rest, `size` and
    `holding` belong to the loop, `being_made` to who makes pods, `template_errors` (by revision, "" for a good one) and
    `asking` to who tries the template, `status` and `status_at` to who shows it."""

    uid: str
    attempts: Attempts = field(default_factory=Attempts)
    empty_since: dict[str, float] = field(default_factory=dict)
    size: Size | None = None
    holding: bool = False
    being_made: int = 0
    template_errors: dict[str, str] = field(default_factory=dict)
    asking: bool = False
    status: RuntimeStatus | None = None
    status_at: float = float("-inf")
    _judged: set[str] = field(default_factory=set)

    def refused(self, why: str, now: float) -> None:
        """The API server takes no pod, for a quota, say."""
        self.attempts = self.attempts.failed(why, now).refused(why)

    def accepted(self) -> None:
        self.attempts = self.attempts.accepted()

    def judge(self, pods: Sequence[Pod], now: float) -> None:
        """Counts each pod once: ready, or finished before it was."""
        for pod in pods:
            uid = pod.metadata.uid
            if uid in self._judged:
                continue
            if pod.ready:
                self._judged.add(uid)
                self.attempts = Attempts()
            elif pod.finished:
                self._judged.add(uid)
                why = exit_reason(pod)
                self.attempts = self.attempts.failed(why, now)
                logger.warning("pod %s ended before it was ready: %s", pod.metadata.key, why)
        self._judged &= {pod.metadata.uid for pod in pods}

    def note_empty(self, sessions: Mapping[str, int], labelling: Container[str], now: float) -> None:
        """`sessions` by uid of each of the fleet's pods; one whose label is on its way is about to get one."""
        self.empty_since = {
            uid: self.empty_since.get(uid, now) for uid, count in sessions.items() if not count and uid not in labelling
        }
