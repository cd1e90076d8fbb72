"""Two thousand days in which every promise has to hold, and that a day is the same whenever it is played again."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tests.simulation.drawing import draw
from tests.simulation.mutations import MUTATIONS, first_catch
from tests.simulation.script import decoded, encoded
from tests.simulation.seeds import digest, in_processes, kept_broken, play_all

DAYS = 2_000
SHOWN = 5
ENOUGH_DAYS = 800
"""In so many a mistake shows, or the days are too quiet."""
KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))
_PRINT_DIGESTS = """
import sys
from tests.simulation.seeds import played, quieten
quieten()
for seed in sys.argv[1:]:
    print(seed, played(int(seed)).digest)
"""


def test_every_promise_holds_on_every_day() -> None:
    sessions = 0
    broken = []
    for outcome in play_all(range(DAYS)):
        sessions += outcome.sessions
        if outcome.broken:
            broken.append(str(outcome))
        if len(broken) == SHOWN:
            break
    assert not broken, "\n\n".join(broken)
    assert sessions > 4 * DAYS, "hardly anything has happened"


def test_a_day_is_the_same_in_every_interpreter() -> None:
    """Whatever the order of its sets of names, and whatever it has played before."""
    seeds = [str(seed) for seed in range(100, 120)]
    one, other = _digests("1", seeds), _digests("2", list(reversed(seeds)))
    assert one == other
    assert len(set(one.values())) == len(seeds)


def test_a_kept_script_is_the_day_that_it_was_drawn_as() -> None:
    drawn, kept = in_processes(digest, [draw(7), decoded(encoded(draw(7)))])
    assert drawn == kept != ""


@pytest.mark.skipif(not KEPT, reason="nothing has been kept")
def test_what_has_been_mended_stays_mended() -> None:
    broken = {path.stem: found for path, found in zip(KEPT, in_processes(kept_broken, KEPT), strict=True) if found}
    assert not broken


def test_errors_put_in_on_purpose_are_found() -> None:
    caught = dict(zip(MUTATIONS, in_processes(partial(first_catch, seeds=ENOUGH_DAYS), MUTATIONS), strict=True))
    assert [name for name, catch in caught.items() if catch is None] == []


def _digests(hash_seed: str, seeds: list[str]) -> dict[str, str]:
    """By seed, from an interpreter that orders its sets by `hash_seed`."""
    told = subprocess.run(
        [sys.executable, "-c", _PRINT_DIGESTS, *seeds],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return dict(line.split() for line in told.stdout.splitlines())
