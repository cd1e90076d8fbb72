"""Start latency as the number of live sessions grows, each level beside the bare floor in the same minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Spread

if TYPE_CHECKING:
    from tests.bench.floor import Floor
    from tests.bench.scale.field import Field

BLOCK = 10


@dataclass(frozen=True, slots=True)
class Level:
    """`by_rest`: POST to 201; `shown`: from its creation to Running, both as a watch shows them."""

    live: int
    by_rest: Spread
    shown: Spread
    floor: Spread
    filled_per_second: float

    @property
    def over_floor(self) -> float:
        return round(self.by_rest.p50 / self.floor.p50, 2)

    def plain(self) -> dict[str, Any]:
        return {
            "live": self.live,
            "post_to_201": self.by_rest.plain(),
            "created_to_running": self.shown.plain(),
            "floor": self.floor.plain(),
            "p50_over_floor": self.over_floor,
            "filled_per_second": self.filled_per_second,
        }


async def measured(field: Field, floor: Floor, live: int, starts: int, filled_per_second: float) -> Level:
    """Blocks of starts one after the other, by turns with as many of the floor's; all are closed in the end."""
    by_rest: list[float] = []
    bare: list[float] = []
    names: list[str] = []
    await _start(field, f"warm-{live}", names)
    for first in range(0, starts, BLOCK):
        bare += await floor.sequential(BLOCK)
        by_rest += [await _start(field, f"at-{live}-{number}", names) for number in range(first, first + BLOCK)]
    await field.witness.until(lambda: field.witness.joined.issuperset(names), 30, "the measured starts in their calls")
    seen = [field.witness.seen[name] for name in names[1:]]
    shown = [each.running_at - each.added_at for each in seen if each.running_at is not None]
    await field.close(names)
    return Level(live, Spread.of(by_rest), Spread.of(shown), Spread.of(bare), round(filled_per_second, 1))


async def _start(field: Field, call: str, names: list[str]) -> float:
    answer = await field.rest.start(call, parameters={"greeting": "hello"})
    assert answer.status == 201, answer
    names.append(answer.session_id)
    return answer.seconds
