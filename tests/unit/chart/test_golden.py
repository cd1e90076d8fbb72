"""What is rendered is what was looked at."""

from __future__ import annotations

import pytest

from . import golden
from .rendering import Helm


@pytest.mark.parametrize("name", golden.FILES)
def test_what_is_rendered_is_what_the_file_has(helm: Helm, name: str) -> None:
    expected = (golden.FOLDER / f"{name}.yaml").read_text()
    assert golden.rendered(helm, name) == expected, "meant so? `python -m tests.unit.chart.golden` writes it anew"


def test_there_is_no_file_of_nothing() -> None:
    assert {path.stem for path in golden.FOLDER.iterdir()} == golden.FILES.keys()
