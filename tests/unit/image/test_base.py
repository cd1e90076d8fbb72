"""The base where there is no registry: what a debootstrap that was killed has left goes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from greenroom_local.image import base

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/self/mounts")


def test_what_is_not_there_is_no_problem(tmp_path: Path) -> None:
    base.discard(tmp_path / "base")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts")
def test_what_is_mounted_in_it_is_let_go_and_not_deleted(tmp_path: Path) -> None:
    kept, root = tmp_path / "machine", tmp_path / "base"
    (root / "proc").mkdir(parents=True)
    kept.mkdir()
    (kept / "file").touch()
    done = subprocess.run(["mount", "--bind", str(kept), str(root / "proc")], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no mounts here: {done.stderr.decode()}")
    base.discard(root)
    assert not root.exists()
    assert (kept / "file").exists()
