"""helm, once for all tests of the chart."""

from __future__ import annotations

import pytest

from greenroom_local.binaries import NotFound, find_helm

from .rendering import Helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The first time on a machine this builds it, which takes minutes."""
    try:
        return Helm(find_helm())
    except NotFound as problem:
        pytest.fail(str(problem), pytrace=False)
