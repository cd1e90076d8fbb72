"""The scale table for people, and the same for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Target

if TYPE_CHECKING:
    from tests.bench.scale.dense import Dense
    from tests.bench.scale.starts import Level
    from tests.bench.scale.stillness import Stillness
    from tests.bench.scale.turnover import Turnover

MOST_GROWTH = 1.3
MOST_OPERATOR_MB = 250.0
MOST_RESTART_SECONDS = 3.0
MOST_FAILOVER_SECONDS = 6.0
MOST_HANDOVER_SECONDS = 1.0


@dataclass(slots=True)
class Report:
    """Filled as the run goes on; what a shorter run leaves out is not there."""

    pods: int
    disk: str
    dense: Dense | None = None
    levels: list[Level] = field(default_factory=list)
    stillness: Stillness | None = None
    turnovers: dict[str, Turnover] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)

    @property
    def targets(self) -> list[Target]:
        return [*self._starts(), *self._still(), *self._over(), *self._dense()]

    def lines(self) -> list[str]:
        return [
            f"{self.pods} pods that are objects only; etcd {self.disk}",
            *self._table(),
            *self._still_lines(),
            *(f"{each.name}: {', '.join(f'{s:g}' for s in each.seconds)} s" for each in self.turnovers.values()),
            *self._dense_lines(),
            "",
            *(target.line() for target in self.targets),
        ]

    def plain(self) -> dict[str, Any]:
        return {
            "pods": self.pods,
            "etcd": self.disk,
            "levels": [level.plain() for level in self.levels],
            "at_rest": self.stillness.plain() if self.stillness is not None else None,
            "turnovers": {name: turnover.plain() for name, turnover in self.turnovers.items()},
            "dense": self.dense.plain() if self.dense is not None else None,
            "targets": [target.plain() for target in self.targets],
            "conditions": self.conditions,
        }

    def _starts(self) -> list[Target]:
        if len(self.levels) < 2:
            return []
        first, last = self.levels[0], self.levels[-1]
        text = f"start p50 at {last.live} live sessions over that at {first.live}"
        growth = round(last.by_rest.p50 / first.by_rest.p50, 2)
        held = round(last.over_floor / first.over_floor, 2)
        return [
            Target(text, growth, MOST_GROWTH, "times"),
            Target(f"{text}, each over its floor", held, MOST_GROWTH, "times"),
        ]

    def _still(self) -> list[Target]:
        if self.stillness is None:
            return []
        memory = self.stillness.memory_mb["operator"]
        return [
            Target("operator's memory", memory, MOST_OPERATOR_MB, "MB"),
            Target("writes at rest other than the Lease's", self.stillness.others, 0, "writes", exact=True),
        ]

    def _over(self) -> list[Target]:
        bounds = {"restart": MOST_RESTART_SECONDS, "SIGKILL": MOST_FAILOVER_SECONDS, "SIGTERM": MOST_HANDOVER_SECONDS}
        return [
            Target(f"{turnover.name}, the longest", turnover.longest, bounds[key], "s")
            for key, turnover in self.turnovers.items()
        ]

    def _dense(self) -> list[Target]:
        if self.dense is None:
            return []
        text = f"{self.dense.slots} sessions at once for one pod of {self.dense.slots} slots"
        return [
            Target(f"{text}, refused", self.dense.refused, 0, "sessions", exact=True),
            Target(f"{text}, shown as waiting", self.dense.waited, 0, "sessions", exact=True),
        ]

    def _table(self) -> list[str]:
        head = ("live", "POST to 201 p50", "p95", "created to Running p50", "p95", "floor p50", "p95", "over floor")
        rows = [head, *(_row(level) for level in self.levels)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]

    def _still_lines(self) -> list[str]:
        if (still := self.stillness) is None:
            return []
        return [
            f"at rest, MB: {_joined(still.memory_mb)}",
            f"at rest, % of a core over {still.seconds:g} s: {_joined(still.cpu_percent)}",
            f"at rest, writes: {_joined(still.writes)}",
            f"API's answers, ms: {_joined(still.asked_ms)}",
        ]

    def _dense_lines(self) -> list[str]:
        if (dense := self.dense) is None:
            return []
        writes = round(sum(dense.cost.writes.values()), 3)
        return [
            f"dense: {dense.slots} POSTs at once in {dense.seconds:g} s (floor {dense.floor_seconds:g} s), p50 "
            f"{dense.latency.p50:g} ms, {writes:g} writes each, {dense.cost.refused} refused writes, pod "
            f"{dense.pod_memory_mb:g} MB",
            f"dense, CPU ms a session: {_joined(dense.cost.plain()['cpu_ms_per_session'])}",
        ]


def _row(level: Level) -> tuple[str, ...]:
    figures = (level.by_rest, level.shown, level.floor)
    cells = [f"{value:.1f}" for spread in figures for value in (spread.p50, spread.p95)]
    return (str(level.live), *cells, f"{level.over_floor:.2f}")


def _joined(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
