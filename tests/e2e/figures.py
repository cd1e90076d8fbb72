"""What was measured on the way, as a small table for the end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        self.rows.append((name, value))

    def seconds(self, name: str, seconds: float) -> None:
        self.add(name, f"{seconds:.1f} s")

    def megabytes(self, name: str, count: float) -> None:
        self.add(name, f"{count / 1e6:.0f} MB")

    def lines(self) -> list[str]:
        width = max((len(name) for name, _ in self.rows), default=0)
        return [f"  {name:<{width}}  {value:>10}" for name, value in self.rows]
