"""Rows of both sides side by side, and whether each is as good as it is to be. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMES_BETTER = 2.0
MEMORY = "memory"
"""Of this it is enough to need no more."""


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds. `theirs` is None where the other package is not installed."""

    name: str
    ours: float
    theirs: float | None

    @property
    def more_is_better(self) -> bool:
        return "/s" in self.name

    @property
    def times_better(self) -> float | None:
        if self.theirs is None:
            return None
        large, small = (self.ours, self.theirs) if self.more_is_better else (self.theirs, self.ours)
        return large / max(small, 1e-9)

    @property
    def bound(self) -> float:
        return 1.0 if self.name.startswith(MEMORY) else TIMES_BETTER

    @property
    def met(self) -> bool | None:
        times = self.times_better
        return None if times is None else times >= self.bound

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": round(self.ours, 3),
            "theirs": None if self.theirs is None else round(self.theirs, 3),
            "times_better": None if self.times_better is None else round(self.times_better, 2),
            "at_least": self.bound,
            "met": self.met,
        }


def rows(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> list[Row]:
    """One for each figure, of the figures of each round."""
    return [
        Row(
            name,
            statistics.median(figures[name] for figures in ours),
            statistics.median(figures[name] for figures in theirs) if theirs else None,
        )
        for name in (ours[0] if ours else ())
    ]


def lines(found: Sequence[Row]) -> list[str]:
    table = [("", "ours", "theirs", "times better", "")]
    for row in found:
        theirs = "" if row.theirs is None else f"{row.theirs:,.1f}"
        times = "" if row.times_better is None else f"{row.times_better:.2f}"
        verdict = {True: "met", False: f"MISSED (at least {row.bound:g})", None: ""}[row.met]
        table.append((row.name, f"{row.ours:,.1f}", theirs, times, verdict))
    widths = [max(len(cells[column]) for cells in table) for column in range(4)]
    return [
        "  ".join([cells[0].ljust(widths[0]), *(cells[n].rjust(widths[n]) for n in (1, 2, 3)), cells[4]]).rstrip()
        for cells in table
    ]
