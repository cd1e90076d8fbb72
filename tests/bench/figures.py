"""Numbers from samples, and what they are held against. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, quantiles
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """In milliseconds."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Of at least one sample, in seconds."""
        ordered = sorted(seconds)
        cuts = quantiles(ordered, n=100, method="inclusive") if len(ordered) > 1 else [ordered[0]] * 99
        at = [1000 * value for value in (mean(ordered), cuts[49], cuts[94], cuts[98], ordered[-1])]
        return cls(len(ordered), *(round(value, 2) for value in at))

    def plain(self) -> dict[str, Any]:
        return {"unit": "ms", **asdict(self)}


@dataclass(frozen=True, slots=True)
class Target:
    """A figure with its bound: "at most", unless `least` or `exact`."""

    name: str
    value: float
    bound: float
    unit: str
    least: bool = False
    exact: bool = False

    @property
    def met(self) -> bool:
        if self.exact:
            return self.value == self.bound
        return self.value >= self.bound if self.least else self.value <= self.bound

    def line(self) -> str:
        verdict = "met   " if self.met else "MISSED"
        relation = "exactly" if self.exact else "at least" if self.least else "at most"
        return f"{verdict}  {self.name}: {self.value:g} {self.unit} ({relation} {self.bound:g})"

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}
