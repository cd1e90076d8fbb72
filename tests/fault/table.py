"""What was tried, how often, and what came of it, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fault.verdict import Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.fault.runner import Outcome

_HEAD = ("case", "tries", "sessions", *Word, "PodLost", "moved", "slowest start")


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Markdown, so that it can go into the documentation as it is."""
    lines = [_row(_HEAD), _row(["---", *["---:"] * (len(_HEAD) - 1)])]
    return lines + [_row(_cells(outcome)) for outcome in outcomes]


def last_line(outcomes: Sequence[Outcome]) -> str:
    tries = sum(outcome.tries for outcome in outcomes)
    counts = ", ".join(f"{sum(outcome.count(word) for outcome in outcomes)} {word}" for word in Word)
    return f"fault: {tries} tries, {counts}"


def _cells(outcome: Outcome) -> list[str]:
    counts = [outcome.count(word) for word in Word]
    numbers = [outcome.tries, outcome.sessions, *counts, outcome.pod_lost, outcome.moved]
    return [outcome.name, *map(str, numbers), f"{outcome.slowest_seconds:.1f} s"]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
