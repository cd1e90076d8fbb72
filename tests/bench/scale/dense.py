"""One real pod of a thousand slots, and a thousand sessions for it at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.cost import Cost, CostMeter
from tests.bench.figures import Spread
from tests.bench.scale.stillness import memory_mb
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack

from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.floor import Floor
    from tests.invariants.events import Event

    from greenroom_local.control_plane import ControlPlane

SLOTS = 1000
JOINED_SECONDS = SETTLED_SECONDS = 300.0
BUSY = Tolerance(quiet_seconds=30.0, longest_seconds=300.0, decision_seconds=60.0)
"""How late a machine may be that has nothing left for anything else: waits are counted, not judged by the clock."""

PARAMETERS = {"join_seconds": 0.02}
PATIENT = {"start_deadline_seconds": 600}
"""What is refused is to be refused for want of a slot, not because the machine is busy."""


@dataclass(frozen=True, slots=True)
class Dense:
    """`waited`: sessions that were ever shown as waiting for a slot."""

    slots: int
    answers: dict[int, int]
    waited: int
    seconds: float
    floor_seconds: float
    latency: Spread
    cost: Cost
    pod_memory_mb: float

    @property
    def refused(self) -> int:
        return self.slots - self.answers.get(201, 0)

    @property
    def share(self) -> float:
        """Its throughput over the floor's."""
        return round(self.floor_seconds / self.seconds, 2)

    def plain(self) -> dict[str, Any]:
        return {
            "slots": self.slots,
            "answers": self.answers,
            "waited": self.waited,
            "seconds": self.seconds,
            "floor_seconds": self.floor_seconds,
            "throughput_over_floor": self.share,
            "post_to_201": self.latency.plain(),
            "cost": self.cost.plain(),
            "pod_memory_mb": self.pod_memory_mb,
        }


async def measured(plane: ControlPlane, directory: Path, floor: Floor, slots: int = SLOTS) -> Dense:
    """The promises are judged by the whole checker in the end."""
    _, floor_seconds = await floor.at_once(slots)
    async with Stack(plane, directory, [FleetPlan(pods=1, slots=slots)], tolerance=BUSY) as stack:
        meter = CostMeter(stack)
        before = await meter.read()
        begun = time.monotonic()
        starts = (stack.api.start(f"dense-{number}", parameters=PARAMETERS, limits=PATIENT) for number in range(slots))
        answers = await asyncio.gather(*starts)
        seconds = time.monotonic() - begun
        await stack.recorder.until(Joined(stack.recorder.events, slots), JOINED_SECONDS, f"{slots} sessions in calls")
        cost = Cost.between(slots, before, await meter.read())
        (pod,) = stack.open_pods()
        memory = memory_mb(stack.node.pid(pod))
        waited = {event.uid for event in stack.recorder.events if _waits(event.body)}
        await stack.settle(SETTLED_SECONDS)
    return Dense(
        slots,
        dict(Counter(answer.status for answer in answers)),
        len(waited),
        round(seconds, 2),
        round(floor_seconds, 2),
        Spread.of([answer.seconds for answer in answers]),
        cost,
        memory,
    )


class Joined:
    """Whether so many sessions have joined; each event is looked at once, however often it is asked."""

    def __init__(self, recording: list[Event], count: int) -> None:
        self._recording = recording
        self._count = count
        self._looked_at = 0
        self._joined: set[str] = set()

    def __call__(self) -> bool:
        for event in self._recording[self._looked_at :]:
            if "joinedAt" in events.status(event.body):
                self._joined.add(event.uid)
        self._looked_at = len(self._recording)
        return len(self._joined) >= self._count


def _waits(body: Any) -> bool:
    shown = events.condition(body, SCHEDULED)
    return shown is not None and shown["status"] == "False"
