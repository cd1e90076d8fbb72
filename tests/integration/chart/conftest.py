"""helm and a real API server that knows Greenroom's resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.chart.rendering import Helm, helm_or_failure

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The first time on a machine this builds it, which takes minutes."""
    return helm_or_failure()


@pytest.fixture
def cluster(control_plane: ControlPlane, installed_crds: None) -> ControlPlane:
    """The control plane, with both CRDs served."""
    return control_plane
