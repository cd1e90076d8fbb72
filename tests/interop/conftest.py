"""The environment that has `vision_agents` in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.interop.environment import PeerMissing, peer_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def their_python() -> Path:
    """Its interpreter. Without a package index there is none: then these tests are skipped, but never in CI."""
    try:
        return peer_python()
    except PeerMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
