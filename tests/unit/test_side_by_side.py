"""Which tests share a process when there are two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import side_by_side
from tests.side_by_side import TIMED, group

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("tests/unit/api/test_wire.py", "tests/unit/api/test_wire.py"),
        ("tests/integration/test_fleet.py", "tests/integration/test_fleet.py"),
        ("tests/integration/controllers/test_garbage.py", "tests/integration/controllers"),
        ("tests/integration/vendors/test_conversation.py", TIMED),
        ("tests/simulation/test_simulation.py", TIMED),
        ("tests/integration/test_voice_session.py", TIMED),
    ],
)
def test_a_group_is_a_folder_with_its_server_or_a_file_or_what_the_clock_judges(file: str, expected: str) -> None:
    assert group(file) == expected


def test_what_is_named_is_there() -> None:
    assert [place for place in side_by_side._TIMED if not (ROOT / place).exists()] == []
