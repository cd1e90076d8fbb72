"""helm, once for all tests of the chart."""

from __future__ import annotations

import pytest

from .rendering import Helm, helm_or_failure


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The first time on a machine this builds it, which takes minutes."""
    return helm_or_failure()
