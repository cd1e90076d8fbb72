"""The loads: what is asked of the system and what is timed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.cost import Cost, CostMeter
from tests.bench.figures import Spread
from tests.invariants import Type, events
from tests.stack.kubectl import manifest, session

if TYPE_CHECKING:
    from tests.bench.floor import Floor
    from tests.stack import Answer, Stack

# Joined is a fact of its own, later than Running, as with a real call.
JOINS = {"join_seconds": 0.02}
LIVES_TOGETHER = 5
ARRIVALS_PER_SECOND, ARRIVALS_FOR_SECONDS = 45.0, 20.0


@dataclass(slots=True)
class Result:
    """One scene. `floor` is the same load on the floor, in the same minute."""

    name: str
    latency: Spread
    floor: Spread | None = None
    per_second: float | None = None
    floor_per_second: float | None = None
    cost: Cost | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return round(self.latency.p50 / self.floor.p50, 2) if self.floor is not None else None

    @property
    def throughput_share(self) -> float | None:
        if self.per_second is None or self.floor_per_second is None:
            return None
        return round(self.per_second / self.floor_per_second, 2)

    def plain(self) -> dict[str, Any]:
        return {
            "latency": self.latency.plain(),
            "floor_latency": self.floor.plain() if self.floor is not None else None,
            "p50_over_floor": self.ratio,
            "per_second": self.per_second,
            "floor_per_second": self.floor_per_second,
            "throughput_over_floor": self.throughput_share,
            "cost": self.cost.plain() if self.cost is not None else None,
            **self.notes,
        }


class Scenes:
    def __init__(self, stack: Stack, floor: Floor) -> None:
        self._stack = stack
        self._floor = floor
        self._meter = CostMeter(stack)

    async def warm_up(self) -> None:
        """Connections, labels and caches are there before anything is timed."""
        await asyncio.gather(*(self._stack.api.start(f"warm-{number}", parameters=JOINS) for number in range(30)))
        await self._emptied()

    async def lives(self, count: int) -> tuple[Cost, Cost]:
        """Lives that end by themselves, a few at a time, by REST and by kubectl: what each wrote. Slow enough that no
        two facts of a life fall into one write, as they may under load."""
        slow = {"join_seconds": 0.4, "finish_seconds": 0.4}

        async def by_rest() -> None:
            for first in range(0, count, LIVES_TOGETHER):
                together = range(first, min(first + LIVES_TOGETHER, count))
                starts = (self._stack.api.start(f"life-{number}", parameters=slow) for number in together)
                for answer in await asyncio.gather(*starts):
                    await self._stack.until_ended(answer.session_id)

        async def by_kubectl() -> None:
            for first in range(0, count, LIVES_TOGETHER):
                names = [f"applied-{number}" for number in range(first, min(first + LIVES_TOGETHER, count))]
                bodies = (session(name, name, parameters=slow) for name in names)
                await self._stack.kubectl.ok("create", "-f", "-", given=manifest(*bodies))
                for name in names:
                    await self._stack.until_ended(name)

        return await self._cost_of(count, by_rest), await self._cost_of(count, by_kubectl)

    async def sequential(self, count: int) -> Result:
        """One start after the other, each when the one before is in its call."""
        floor = await self._floor.sequential(count // 2)
        answers: list[Answer] = []

        async def starts() -> None:
            for number in range(count):
                answers.append(await self._stack.api.start(f"one-{number}", parameters=JOINS))
                await self._until_joined([answers[-1].session_id])

        cost = await self._cost_of(count, starts)
        floor += await self._floor.sequential(count // 2)
        _all_started(answers)
        shown = [self._created_to_running(answer.session_id) for answer in answers]
        result = Result(
            "sequential starts",
            Spread.of([answer.seconds for answer in answers]),
            Spread.of(floor),
            cost=cost,
            notes={"created_to_running_as_watched": Spread.of(shown).plain()},
        )
        await self._emptied()
        return result

    async def at_once(self, count: int) -> Result:
        """All POSTs sent together."""
        floor, floor_seconds = await self._floor.at_once(count)
        answers: list[Answer] = []
        seconds = 0.0

        async def starts() -> None:
            nonlocal seconds
            begun = time.monotonic()
            answers.extend(
                await asyncio.gather(
                    *(self._stack.api.start(f"burst-{count}-{n}", parameters=JOINS) for n in range(count))
                )
            )
            seconds = time.monotonic() - begun
            await self._until_joined([answer.session_id for answer in answers])

        cost = await self._cost_of(count, starts)
        _all_started(answers)
        await self._emptied()
        again, again_seconds = await self._floor.at_once(count)
        floor, floor_seconds = floor + again, (floor_seconds + again_seconds) / 2
        return Result(
            f"{count} at once",
            Spread.of([answer.seconds for answer in answers]),
            Spread.of(floor),
            round(count / seconds, 1),
            round(count / floor_seconds, 1),
            cost,
        )

    async def arrivals(self) -> Result:
        """Starts at random moments, whether or not those before have been answered; each stays two seconds."""
        source = random.Random(45)
        moments, at = [], 0.0
        while (at := at + source.expovariate(ARRIVALS_PER_SECOND)) < ARRIVALS_FOR_SECONDS:
            moments.append(at)
        parameters = {**JOINS, "finish_seconds": 2.0}
        answers: list[Answer] = []
        seconds: list[float] = []

        async def arrive(number: int, due: float) -> None:
            answers.append(await self._stack.api.start(f"arrival-{number}", parameters=parameters))
            seconds.append(time.monotonic() - due)

        async def starts() -> None:
            begun = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number, moment in enumerate(moments):
                    await asyncio.sleep(max(begun + moment - time.monotonic(), 0))
                    group.create_task(arrive(number, begun + moment))
            for answer in answers:
                await self._stack.until_ended(answer.session_id)

        floor = await self._floor.arrivals(moments[: len(moments) // 2])
        cost = await self._cost_of(len(moments), starts)
        statuses = Counter(answer.status for answer in answers)
        await self._emptied()
        return Result(
            f"Poisson arrivals at {ARRIVALS_PER_SECOND:g}/s",
            Spread.of(seconds),
            Spread.of(floor),
            per_second=round(len(moments) / ARRIVALS_FOR_SECONDS, 1),
            cost=cost,
            notes={"answers": dict(statuses)},
        )

    async def closes(self, count: int) -> Result:
        """From the close request's sending to the agent's own word that it has left."""
        answers = [await self._stack.api.start(f"close-{number}", parameters=JOINS) for number in range(count)]
        _all_started(answers)
        await self._until_joined([answer.session_id for answer in answers])
        sent_at: dict[str, float] = {}

        async def close_all() -> None:
            for number, answer in enumerate(answers):
                sent_at[answer.session_id] = time.monotonic()
                closed = await self._stack.api.close(f"close-{number}", answer.session_id)
                assert closed.status == 202, closed
                await self._stack.until_ended(answer.session_id)

        cost = await self._cost_of(count, close_all)
        left = [self._stack.journal.at(name, "left") - at for name, at in sent_at.items()]
        return Result("close request to agent left", Spread.of(left), cost=cost)

    async def _cost_of(self, sessions: int, work: Callable[[], Awaitable[None]]) -> Cost:
        before = await self._meter.read()
        await work()
        return Cost.between(sessions, before, await self._meter.read())

    async def _until_joined(self, names: list[str]) -> None:
        for name in names:
            await self._stack.until(name, lambda body: "joinedAt" in events.status(body), seconds=60)

    async def _emptied(self) -> None:
        living = [events.name(body) for body in self._stack.recorder.sessions() if not events.ended(body)]
        await asyncio.gather(*(self._stack.request_close(name) for name in living))
        await self._stack.settle()

    def _created_to_running(self, name: str) -> float:
        history = self._stack.recorder.history(name)
        created = next(event.at for event in history if event.type is Type.ADDED)
        return next(event.at for event in history if events.phase(event.body) == "Running") - created


def _all_started(answers: list[Answer]) -> None:
    refused = [answer for answer in answers if answer.status != 201]
    assert not refused, f"{len(refused)} of {len(answers)} starts failed: {refused[0]}"
