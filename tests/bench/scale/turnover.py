"""From the moment at which nobody leads to the first bind of whoever leads next, with thousands of live sessions."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.scale.field import JOINED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.scale.field import Field
    from tests.stack.programs import Program

EVERY_SECONDS = 0.1
MOST_WAITING = 10
STOP_SECONDS = 20.0
FIRST_BIND_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Turnover:
    """Seconds to the first bind, try by try."""

    name: str
    seconds: tuple[float, ...]

    @property
    def longest(self) -> float:
        return max(self.seconds)

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "seconds": self.seconds}


class Turnovers:
    """`field` has one operator; there is one again in the end."""

    def __init__(self, field: Field) -> None:
        self._field = field

    async def restarts(self, tries: int) -> Turnover:
        """The only operator ended in good order; from the start of the next process on, which has it all to read."""
        seconds = []
        for _ in range(tries):
            await self._field.operators.pop().process.stop(STOP_SECONDS)
            epoch, begun = self._epoch(), time.monotonic()
            self._field.operators.append(await self._field.operator())
            seconds.append(await self._first_bind(epoch) - begun)
        return Turnover("restart to first bind", rounded(seconds))

    async def failovers(self, tries: int) -> Turnover:
        """The leader killed with SIGKILL beside a warm standby."""
        return Turnover("SIGKILL of the leader to first bind", await self._handed_over(tries, _kill))

    async def handovers(self, tries: int) -> Turnover:
        """The leader told to end, with SIGTERM, beside a warm standby."""
        return Turnover("SIGTERM of the leader to first bind", await self._handed_over(tries, _terminate))

    async def _handed_over(self, tries: int, end: Callable[[Program], None]) -> tuple[float, ...]:
        field, seconds = self._field, []
        for _ in range(tries):
            standby = await field.operator()
            await standby.until_ready()
            leader = field.operators.pop()
            field.operators.append(standby)
            epoch, begun = self._epoch(), time.monotonic()
            end(leader)
            seconds.append(await self._first_bind(epoch) - begun)
            await leader.process.stop(STOP_SECONDS)
        return rounded(seconds)

    def _epoch(self) -> int:
        return max(seen.epoch for seen in self._field.witness.seen.values())

    async def _first_bind(self, epoch: int) -> float:
        """Sessions keep coming, while not many wait, until a later leader has bound one; the moment of that."""
        field, names = self._field, list[str]()
        seen = field.witness.seen

        def later() -> list[float]:
            found = (seen[name] for name in names if name in seen)
            return [each.bound_at for each in found if each.bound_at is not None and each.epoch > epoch]

        coming = asyncio.create_task(self._come(names))
        try:
            await field.witness.until(lambda: bool(later()), FIRST_BIND_SECONDS, "a bind by the next leader")
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        moment = min(later())
        await field.witness.until(
            lambda: field.witness.joined.issuperset(names), JOINED_SECONDS, "all that came, in their calls"
        )
        await field.close(names)
        return moment

    async def _come(self, names: list[str]) -> None:
        seen = self._field.witness.seen
        while True:
            waiting = sum(name not in seen or seen[name].bound_at is None for name in names)
            if waiting < MOST_WAITING:
                (body,) = self._field.session_bodies(1)
                await self._field.create(body)
                names.append(body["metadata"]["name"])
            await asyncio.sleep(EVERY_SECONDS)


def rounded(seconds: list[float]) -> tuple[float, ...]:
    return tuple(round(each, 2) for each in seconds)


def _kill(program: Program) -> None:
    program.process.signal(signal.SIGKILL)


def _terminate(program: Program) -> None:
    program.process.terminate()
