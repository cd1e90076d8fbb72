"""Whether a fleet without a free slot is full, or gets more slots while no session ends. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.reasons import EndReason
from greenroom_core.model.runtime import WhenFull
from greenroom_operator.planning.placement import takes_sessions
from greenroom_operator.planning.size import largest, surge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.placement import Rooms
    from greenroom_operator.planning.values import Ending, Fleet, Tally


def slots_to_come(
    fleet: Fleet, pods: Sequence[Pod], awake: Sequence[Pod], tally: Tally, *, failing: bool = False
) -> int:
    """Slots of the pods that the fleet is still to get: those that start, and those that may be made up to its most.

    `pods` are all of the fleet's that nobody has cordoned, `awake` those that do not rest; one that rests takes
    sessions again in a moment. During a rollout older pods with sessions stay, so only maxSurge lets newer ones come;
    one whose sessions fail (`failing`) has stopped, and older pods serve.
    """
    live = [pod for pod in pods if not (pod.finished or pod.leaving)]
    older = [pod for pod in live if pod.revision != fleet.revision]
    if failing and older:
        return sum(pod.slots for pod in older if takes_sessions(pod) and pod not in awake)
    spec = fleet.runtime.spec
    most = largest(spec)
    if older:
        staying = sum(tally.on_pod(pod.metadata.uid) > 0 for pod in older)
        most = min(most, most + surge(spec) - staying)
    there = sum(takes_sessions(pod) for pod in awake if pod.revision == fleet.revision)
    return max(most - there, 0) * spec.sessions_per_pod


class Patience:
    """Those of one fleet who found no slot, in their turns: who of them may wait for one. `slots_to_come()` is asked
    once, and only where somebody may be refused."""

    def __init__(self, fleet: Fleet, rooms: Rooms, slots_to_come: Callable[[], int]) -> None:
        self._rooms = rooms
        self._slots_to_come = slots_to_come
        self._left: int | None = None
        self._refuses = fleet.runtime.spec.queue.when_full is WhenFull.REFUSE

    def refusal(self, session: AgentSession) -> Ending | None:
        """None for one that waits. A session that a pod has had before was let in, so it is never refused."""
        name = session.spec.runtime
        if session.spec.pod_name is not None:
            full = self._refuses and session.status.attempt == 0 and self._rooms.full(session)
            text = f"pod {session.spec.pod_name} has no free slot, and AgentRuntime {name!r} lets nobody wait"
            return (EndReason.NO_CAPACITY, text) if full else None
        if not self._refuses:
            return None
        self._left = (self._slots_to_come() if self._left is None else self._left) - 1
        if self._left >= 0 or session.status.attempt > 0:
            return None
        return EndReason.NO_CAPACITY, f"AgentRuntime {name!r} has no free slot, and lets nobody wait (whenFull: Refuse)"
