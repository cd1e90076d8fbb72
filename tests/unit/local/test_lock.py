"""One Greenroom in a folder at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from greenroom_local.lock import Held, locked

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import pathlib, sys
from greenroom_local.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with locked(path), pytest.raises(Held, match=f"^{os.getpid()}$"), locked(path):
        pass
    with locked(path):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    words = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Held, match=f"^{holder.pid}$"), locked(path):
            pass
        holder.kill()
    with locked(path):
        pass
