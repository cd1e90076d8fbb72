"""The figures of a fleet that an autoscaler or an alert goes by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_core.model.queue import waiting_since
from greenroom_operator.planning.fleet_status import free_slots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenroom_core.model.session import AgentSession
    from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
    from greenroom_operator.planning.values import Fleet


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """`sessions` hold slots, `waiting_sessions` have none; `desired_pods` of the newest revision are to be there."""

    sessions: int
    waiting_sessions: int
    oldest_wait_seconds: float
    slots: int
    free_slots: int
    desired_pods: int
    pods: int
    ready_pods: int


def figures(fleet: Fleet, snapshot: FleetSnapshot, queue: Iterable[AgentSession]) -> FleetFigures:
    """`queue`: the fleet's sessions that have no pod."""
    live = snapshot.live
    waits = [(snapshot.wall - waiting_since(session)).total_seconds() for session in queue]
    return FleetFigures(
        sessions=snapshot.sessions_on(*snapshot.pods),
        waiting_sessions=len(waits),
        oldest_wait_seconds=max([0.0, *waits]),
        slots=sum(pod.slots for pod in live),
        free_slots=free_slots(snapshot, fleet),
        desired_pods=snapshot.size.pods if snapshot.size is not None else 0,
        pods=len(live),
        ready_pods=sum(pod.ready for pod in live),
    )
