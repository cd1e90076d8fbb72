"""A container's first process ends by SIGTERM from its first line on, though the kernel has no default for it there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 30.0
_WAITS = "print('up', flush=True); import threading; threading.Event().wait()"
_IN_A_CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-c")
_AS_IF = "import os; os.getpid = lambda: 1"


@contextlib.contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """From its first line of output on."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def may_unshare() -> None:
    if shutil.which("unshare") is None or subprocess.run([*_IN_A_CONTAINER, ""], check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a process namespace")


@pytest.mark.usefixtures("may_unshare")
@pytest.mark.parametrize("program", ["import greenroom", "from greenroom_core.first_process import *; heed_sigterm()"])
def test_the_first_process_ends(program: str) -> None:
    with running(*_IN_A_CONTAINER, f"{program}\n{_WAITS}") as outer:
        first = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
        os.kill(first, signal.SIGTERM)
        assert outer.wait(_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.usefixtures("may_unshare")
def test_a_handler_that_is_taken_away_again_leaves_one() -> None:
    """As a program does that has seen its calls out and lets the signal end it after all."""
    ends = "signal.signal(15, print); signal.signal(15, signal.SIG_DFL); heed_sigterm(); os.kill(os.getpid(), 15)"
    program = f"import os, signal; from greenroom_core.first_process import *; print('up', flush=True); {ends}"
    with running(*_IN_A_CONTAINER, program) as outer:
        assert outer.wait(_SECONDS) == 128 + signal.SIGTERM


def test_any_other_process_is_left_alone() -> None:
    with running(sys.executable, "-c", f"import greenroom\n{_WAITS}") as process:
        process.terminate()
        assert process.wait(_SECONDS) == -signal.SIGTERM


def test_a_handler_that_is_there_stays() -> None:
    program = f"import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); {_AS_IF}; import greenroom\n{_WAITS}"
    with running(sys.executable, "-c", program) as process:
        process.terminate()
        assert process.wait(_SECONDS) == 7
