"""docs/architecture.md says how each promise is kept, and names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PROMISES = [f"I{number}" for number in range(1, 8)]


def test_each_promise_says_how_it_is_kept_and_what_shows_it() -> None:
    kept = re.findall(r"^\| (I\d) \| .+ \| .+ \|$", PAGE, re.M)
    shown = re.findall(r"^\| (I\d) \| `tests/[^|]+\|$", PAGE, re.M)
    assert (sorted(set(kept)), shown) == (PROMISES, PROMISES)


def test_the_tests_that_show_them_are_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []
