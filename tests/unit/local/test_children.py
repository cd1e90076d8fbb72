"""Child processes: they end when told, and when we end, however that happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from greenroom_core.clock import SystemClock
from greenroom_local.children import ChildProcess, Command, group_alive

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
WITH_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"


def child_of(tmp_path: Path, script: str) -> ChildProcess:
    command = Command("test", (sys.executable, "-c", script), os.environ, tmp_path / "log")
    return ChildProcess(command, SystemClock())


async def until_up(child: ChildProcess) -> None:
    async with asyncio.timeout(60):
        while "up" not in child.last_lines():
            await asyncio.sleep(0.02)


async def test_exit_code_and_log(tmp_path: Path) -> None:
    child = child_of(tmp_path, "print('out'); import sys; print('err', file=sys.stderr); sys.exit(4)")
    child.start()
    assert await child.wait() == 4
    assert set(child.last_lines().split()) == {"out", "err"}
    assert not child.running


async def test_starts_again(tmp_path: Path) -> None:
    child = child_of(tmp_path, SLEEPER)
    child.start()
    first = child.pid
    assert await child.kill() == -signal.SIGKILL
    child.start()
    assert child.pid != first
    with pytest.raises(RuntimeError, match="already running"):
        child.start()
    assert await child.stop(5) == -signal.SIGTERM


async def test_stop_kills_the_deaf_and_their_children(tmp_path: Path) -> None:
    child = child_of(tmp_path, WITH_CHILD)
    child.start()
    await until_up(child)
    await child.stop(0.2)
    assert not group_alive(child.pid)


async def test_suspended_child_hears_stop(tmp_path: Path) -> None:
    child = child_of(tmp_path, SLEEPER)
    child.start()
    await until_up(child)
    child.suspend()
    assert await child.stop(5) == -signal.SIGTERM


async def test_signals_after_the_end_reach_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = child_of(tmp_path, "pass")
    child.start()
    await child.wait()

    def must_not(*_: object) -> None:
        raise AssertionError("the number may belong to somebody else by now")

    monkeypatch.setattr(os, "killpg", must_not)
    await child.kill()
    assert await child.stop(1) == 0


@pytest.mark.parametrize("leash_dies_first", [False, True])
def test_children_end_with_a_killed_parent(tmp_path: Path, leash_dies_first: bool) -> None:
    parent_script = textwrap.dedent(f"""
        import os, pathlib, signal, sys
        from greenroom_core.clock import SystemClock
        from greenroom_local import children
        words = (sys.executable, "-c", {WITH_CHILD!r})
        log = pathlib.Path({str(tmp_path / "log")!r})
        child = children.ChildProcess(children.Command("child", words, os.environ, log), SystemClock())
        child.start()
        print(child.pid, children._leash()._process.pid, flush=True)
        signal.pause()
    """)
    with subprocess.Popen([sys.executable, "-c", parent_script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child, leash = (int(word) for word in parent.stdout.readline().split())
        deadline = time.monotonic() + 60
        while not (tmp_path / "log").exists() or "up" not in (tmp_path / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if leash_dies_first:
            os.kill(leash, signal.SIGKILL)
        parent.kill()
    if leash_dies_first and sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's death")
    try:
        # Without the leash only the kernel's signal is left, which reaches the child and not its children.
        while child_alive(child) if leash_dies_first else group_alive(child):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        if group_alive(child):
            os.killpg(child, signal.SIGKILL)


def child_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
