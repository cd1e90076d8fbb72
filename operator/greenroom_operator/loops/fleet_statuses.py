"""Writes the status of an AgentRuntime when it has changed, and tells of it in events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model.meta import ConditionStatus, find, plain
from greenroom_core.model.runtime import PROGRESSING
from greenroom_operator.cluster.events import Kind
from greenroom_operator.planning.drain import DELETING
from greenroom_operator.planning.fleet_status import DRAINING, fleet_status

if TYPE_CHECKING:
    from asyncio import TaskGroup

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.runtime import RuntimeStatus
    from greenroom_operator.cluster.events import Events
    from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
    from greenroom_operator.planning.size import Size
    from greenroom_operator.planning.values import Fleet
    from greenroom_operator.state.fleet_memory import FleetMemory

logger = logging.getLogger("greenroom.operator.fleets")

_EVERY_SECONDS = 5.0


class FleetStatuses:
    """At most once in five seconds, but for the news that the fleet is being deleted."""

    def __init__(self, client: KubeClient, events: Events) -> None:
        self._client = client
        self._clock = client.world.clock
        self._events = events

    def show(
        self,
        fleet: Fleet,
        snapshot: FleetSnapshot,
        size: Size,
        pending: int,
        memory: FleetMemory,
        group: TaskGroup,
    ) -> float | None:
        """`pending`: sessions that wait. Returns when to come again, if it is too early for what has changed."""
        shown = memory.status or fleet.runtime.status
        status = fleet_status(snapshot, fleet, size, shown, pending, self._clock.wall())
        if status == shown:
            return None
        next_at = memory.status_at + _EVERY_SECONDS
        news = fleet.deleting and not _shows_deleting(shown)
        if snapshot.now < next_at and not news:
            return next_at
        memory.status_at, memory.status = snapshot.now, status
        self._tell_conditions(fleet, shown, status)
        group.create_task(self._write(fleet, status, memory))
        return None

    def tell_size(self, fleet: Fleet, before: Size | None, after: Size, waiting: int) -> None:
        """An event where the fleet is to have another number of pods."""
        if before is not None and before.pods != after.pods:
            told = f"{before.pods} pods become {after.pods}; {waiting} sessions wait for a slot"
            self._events.of_runtime(fleet.runtime, Kind.NORMAL, "Scaled", told)

    def _tell_conditions(self, fleet: Fleet, before: RuntimeStatus, after: RuntimeStatus) -> None:
        """An event where a condition has got another reason, or more pods than before leave with their sessions."""
        known = {condition.type: condition.reason for condition in before.conditions}
        more = after.leaving_pods > before.leaving_pods
        for condition in after.conditions:
            if known.get(condition.type) != condition.reason or (more and condition.reason == DRAINING):
                good = condition.status is ConditionStatus.TRUE
                kind = Kind.NORMAL if good else Kind.WARNING
                self._events.of_runtime(fleet.runtime, kind, condition.reason, condition.message)

    async def _write(self, fleet: Fleet, status: RuntimeStatus, memory: FleetMemory) -> None:
        try:
            await self._client.merge_patch(RUNTIMES, *fleet.key, {"status": plain(status)}, subresource="status")
        except KubeError as error:
            memory.status = None
            logger.info("status of AgentRuntime %s/%s not written: %s", *fleet.key, error)


def _shows_deleting(status: RuntimeStatus) -> bool:
    found = find(status.conditions, PROGRESSING)
    return found is not None and found.reason == DELETING
