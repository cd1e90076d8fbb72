"""The server's bench, small: its subject runs on both sides, and its verdicts are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.bench.server import comparison
from tests.bench.server.sides import Side

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("module", ["greenroom", "vision_agents.core"])
async def test_the_subject_runs_on_both_sides(their_python: Path, module: str) -> None:
    side = Side(module, module, their_python)
    assert (await side.told("starts", "--count", "64"))["per_second"] > 0
    assert (await side.told("idle", "--count", "64", "--seconds", "0.1"))["kib"] > 0


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "times", "met"),
    [
        ("starts/s, in memory", 400.0, 100.0, 4.0, True),
        ("GET of a session/s", 150.0, 100.0, 1.5, False),
        ("POST p50 at 1 client, ms", 1.0, 2.0, 2.0, True),
        ("POST p50 at 1 client, ms", 2.0, 1.0, 0.5, False),
        ("memory of an idle session, KiB", 4.0, 4.0, 1.0, True),
        ("memory of an idle session, KiB", 5.0, 4.0, 0.8, False),
    ],
)
def test_a_row(name: str, ours: float, theirs: float, times: float, met: bool) -> None:
    row = comparison.Row(name, ours, theirs)
    assert (row.times_better, row.met) == (times, met)


def test_rows_are_medians_over_the_rounds() -> None:
    [row] = comparison.rows([{"a/s": 1.0}, {"a/s": 9.0}, {"a/s": 2.0}], [])
    assert (row.ours, row.theirs, row.met) == (2.0, None, None)
