"""The table for people and the JSON for machines."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.bench.figures import Target

if TYPE_CHECKING:
    from tests.bench.cost import Cost
    from tests.bench.scenes import Result

MOST_OVER_FLOOR = 1.7
LEAST_THROUGHPUT = 0.5
MOST_CLOSE_MS = 100.0
WRITES_BY_REST, WRITES_BY_KUBECTL = 5, 6
"""Of a life that ends by itself."""


class Report:
    """One control plane's results."""

    def __init__(self, disk: str, results: list[Result], by_rest: Cost, by_kubectl: Cost, promises: str) -> None:
        self._disk = disk
        self._results = results
        self._by_rest = by_rest
        self._by_kubectl = by_kubectl
        self._promises = promises

    @property
    def targets(self) -> list[Target]:
        by_name = {result.name: result for result in self._results}
        found = []
        for name, result in by_name.items():
            if name == "sequential starts":
                found.append(Target(f"{name}, p50 over the floor's", result.ratio or 0.0, MOST_OVER_FLOOR, "times"))
            if result.throughput_share is not None:
                text = f"{name}, throughput over the floor's"
                found.append(Target(text, result.throughput_share, LEAST_THROUGHPUT, "times", least=True))
            if name.startswith("close"):
                found.append(Target(f"{name}, p50", result.latency.p50, MOST_CLOSE_MS, "ms"))
        for way, cost, budget in (
            ("REST", self._by_rest, WRITES_BY_REST),
            ("kubectl", self._by_kubectl, WRITES_BY_KUBECTL),
        ):
            total = round(sum(cost.writes.values()) + cost.refused / cost.sessions, 3)
            text = f"writes of a whole life by {way}, refused ones included"
            found.append(Target(text, total, budget, "writes", exact=True))
        return found

    def lines(self) -> list[str]:
        head = ("", "p50 ms", "p95 ms", "p99 ms", "floor p50", "floor p95", "ratio", "per s", "floor per s", "share")
        rows = [head, *(_row(result) for result in self._results)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        for number, row in enumerate(rows):
            table[number] = row[0].ljust(widths[0]) + table[number][widths[0] :]
        return [
            f"etcd {self._disk}",
            *table,
            "",
            *self._costs(),
            "",
            *(target.line() for target in self.targets),
            self._promises,
        ]

    def plain(self) -> dict[str, Any]:
        return {
            "etcd": self._disk,
            "scenes": {result.name: result.plain() for result in self._results},
            "life_by_rest": self._by_rest.plain(),
            "life_by_kubectl": self._by_kubectl.plain(),
            "targets": [target.plain() for target in self.targets],
            "promises": self._promises,
        }

    def _costs(self) -> list[str]:
        lines = []
        for name, cost in (("life by REST", self._by_rest), ("life by kubectl", self._by_kubectl)):
            lines.append(f"{name}: {_joined(cost.writes)}; by writer: {_joined(cost.writers)}; refused {cost.refused}")
        for result in self._results:
            if result.cost is not None:
                cpu = result.cost.plain()["cpu_ms_per_session"]
                lines.append(f"{result.name}: CPU ms a session: {_joined(cpu)}; refused {result.cost.refused}")
        return lines


class Part(Protocol):
    """A table beside those of the cluster."""

    def lines(self) -> list[str]: ...

    def plain(self) -> dict[str, Any]: ...


def machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {"cpus": os.cpu_count(), "cpu": model, "python": platform.python_version(), "system": platform.system()}


def write(path: Path, reports: list[Report], versions: dict[str, str], parts: dict[str, Any]) -> None:
    """`parts` are the other tables by name, None for one that was left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = [report.plain() for report in reports]
    whole = {"machine": machine(), "versions": versions, "runs": runs, **parts}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def _row(result: Result) -> tuple[str, ...]:
    floor = result.floor
    return (
        result.name,
        f"{result.latency.p50:.1f}",
        f"{result.latency.p95:.1f}",
        f"{result.latency.p99:.1f}",
        f"{floor.p50:.1f}" if floor else "",
        f"{floor.p95:.1f}" if floor else "",
        f"{result.ratio:.2f}" if result.ratio else "",
        f"{result.per_second:.0f}" if result.per_second else "",
        f"{result.floor_per_second:.0f}" if result.floor_per_second else "",
        f"{result.throughput_share:.2f}" if result.throughput_share else "",
    )


def _joined(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
