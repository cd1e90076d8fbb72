"""Which pod takes which session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_core.model.runtime import Placement
from greenroom_operator.planning.pinned import may_be

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greenroom_core.model.pod import Pod
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.values import Fleet, Tally


@dataclass(slots=True)
class Room:
    """A pod that takes sessions, with what this cycle has already given it."""

    pod: Pod
    taken: int

    @property
    def free(self) -> int:
        return self.pod.slots - self.taken


class Rooms:
    """The free slots of one fleet during one cycle. `failing`: sessions fail at their start on the newest revision;
    `size`: how many pods of it there are to be, None where that is not known."""

    def __init__(
        self, fleet: Fleet, pods: Iterable[Pod], tally: Tally, *, failing: bool = False, size: int | None = None
    ) -> None:
        self._spread = fleet.runtime.spec.placement is Placement.SPREAD
        rooms = [Room(pod, tally.on_pod(pod.metadata.uid)) for pod in pods if takes_sessions(pod)]
        self._named = {room.pod.metadata.name: room for room in rooms}
        serve = {pod.metadata.uid for pod in serving(fleet, [room.pod for room in rooms], failing=failing)}
        self._open = [room for room in rooms if room.free > 0 and room.pod.metadata.uid in serve]
        self._to_empty = _to_empty(rooms, fleet.revision, size)
        self._open.sort(key=self._rank)

    def take(self, session: AgentSession) -> Pod | None:
        """A slot for the session, or None when it has to wait."""
        if session.spec.pod_name is not None:
            room = self._named.get(session.spec.pod_name)
            if room is None or room.free <= 0 or not may_be(session, room.pod):
                return None
            room.taken += 1
            return room.pod
        while self._open and self._open[0].free <= 0:
            self._open.pop(0)
        if not self._open:
            return None
        room = self._open[0]
        room.taken += 1
        if self._spread:
            self._open.sort(key=self._rank)
        return room.pod

    def full(self, session: AgentSession) -> bool:
        """Whether the one pod that may run the session is there and has no slot left."""
        room = self._named.get(session.spec.pod_name or "")
        return room is not None and room.free <= 0 and may_be(session, room.pod)

    def _rank(self, room: Room) -> tuple[bool, int, bool, str, str]:
        """Pods that are to empty come last. Packed: the fullest first, so that others empty; Spread: the emptiest.
        Oldest first among equals."""
        to_empty = room.pod.metadata.uid in self._to_empty
        weight = room.taken if self._spread and not to_empty else -room.taken
        return to_empty, weight, not room.pod.busy, *_age(room)


def _to_empty(rooms: Sequence[Room], revision: str, size: int | None) -> set[str]:
    """By uid: those of older revisions, and of the newest those beyond the fleet's size, the emptiest."""
    newest = [room for room in rooms if room.pod.revision == revision]
    newest.sort(key=lambda room: (-room.taken, *_age(room)))
    stay = {room.pod.metadata.uid for room in newest[:size]}
    return {room.pod.metadata.uid for room in rooms} - stay


def _age(room: Room) -> tuple[str, str]:
    created = room.pod.metadata.creation_timestamp
    return created.isoformat() if created else "", room.pod.metadata.uid


def serving(fleet: Fleet, pods: Sequence[Pod], *, failing: bool) -> Sequence[Pod]:
    """Those of `pods`, which all may take sessions, that the next ones may go to.

    Older revisions take what the newest has no slot for: nobody waits for a rollout. Where sessions fail on the newest,
    the older ones serve alone, so that a bad template costs few sessions.
    """
    older = [pod for pod in pods if pod.revision != fleet.revision]
    return older if failing and older else pods


def takes_sessions(pod: Pod) -> bool:
    """Ready, staying, alive, and nobody keeps sessions away from it."""
    return pod.ready and not pod.leaving and not pod.finished and not pod.cordoned
