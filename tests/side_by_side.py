"""Which tests may run beside which others: with `-n 2` (pytest-xdist) a group runs in one process, in its order.

What is judged by the clock, real sound above all, and what takes both processors for itself is one group: none of it
runs beside another of its kind. Of the rest a folder, or a file of its own, is a group, so that its stack or server is
brought up once.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

TIMED = "timed"
_TIMED = (
    "tests/browser",
    "tests/examples",
    "tests/fault",
    "tests/integration/console",
    "tests/integration/getstream",
    "tests/integration/isolation",
    "tests/integration/test_voice_session.py",
    "tests/integration/vendors",
    "tests/integration/voice",
    "tests/integration/webrtc",
    "tests/interop",
    "tests/seed",
    "tests/simulation",
)


def group(file: str) -> str:
    """Of a test's file, as its node id begins."""
    path = PurePosixPath(file)
    if any(path.is_relative_to(place) for place in _TIMED):
        return TIMED
    own_folder = path.is_relative_to("tests/integration") and len(path.parts) > 3
    return str(path.parent if own_folder else path)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives groups out as a whole. (The mark `xdist_group` of pytest-xdist 3.8 does nothing under pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return ByGroup(config, log)
