"""Child processes that never outlive us, each in a process group of its own.

Two things see to it, also after ``kill -9`` of this process: on Linux the kernel sends SIGKILL to each child
(the parent-death signal), and everywhere a leash process kills whole groups, children's children included.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_POLL_SECONDS = 0.05

# Loaded before any fork: between fork and exec a child must not import or take locks.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: a name for messages, the words, the whole environment, the working directory, where output goes."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    directory: Path | None = None


class ChildProcess:
    """One command as a process, which can be started again after it has ended.

    It belongs to no event loop: a test session's fixture may start it in one loop and a test stop it in another.
    """

    def __init__(self, command: Command, clock: Clock) -> None:
        self.command = command
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._group_gone = True

    @property
    def pid(self) -> int:
        """The process id of the current, or the last, life. Also the id of its process group."""
        return self._started.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative signal numbers as in :mod:`subprocess`."""
        return self._started.poll()

    @property
    def started(self) -> bool:
        """Whether it has ever been started."""
        return self._process is not None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; output is appended to the log file. Raises OSError when the program cannot be run."""
        if self.running:
            raise RuntimeError(f"{self.command.name} is already running as process {self.pid}")
        self.command.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.command.log_file.open("ab") as log:
            # Opened before the fork: a child that is started while the leash is not there would be loose.
            leash = _leash()
            self._process = subprocess.Popen(
                list(self.command.words),
                env=dict(self.command.environment),
                cwd=self.command.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        self._group_gone = False
        leash.hold(self._process.pid)

    async def wait(self) -> int:
        """Wait for its end and give the exit code. The group's other processes may still live."""
        process = self._started
        if process.poll() is None:
            await self._until_ended(process)
        code = process.wait()
        if not self._group_gone and not group_alive(process.pid):
            self._close()
        return code

    async def kill(self) -> int:
        """SIGKILL to the whole group, and wait."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    async def stop(self, grace_seconds: float) -> int:
        """SIGTERM to the process, SIGKILL to its whole group when it has not ended after `grace_seconds`, and wait
        until every process of the group is gone. Gives the exit code."""
        if self.running:
            # A suspended process would not hear the other signal until it goes on.
            self.signal(signal.SIGCONT)
            self.terminate()
        try:
            async with self._clock.timeout(grace_seconds):
                await self.wait()
                await self._group_end()
        except TimeoutError:
            self.signal(signal.SIGKILL)
        code = await self.wait()
        await self._group_end()
        return code

    def terminate(self) -> None:
        """SIGTERM to the process alone, as a container's first process gets it."""
        if self.running:
            self._started.terminate()

    def suspend(self) -> None:
        """SIGSTOP to the whole group: it holds its connections and locks, and does nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to the whole group."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group; none left is no error."""
        if self._group_gone:
            return  # its number may be somebody else's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def last_lines(self, count: int = 15) -> str:
        """The end of the log file, for an error's message."""
        with contextlib.suppress(OSError), self.command.log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])
        return ""

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.command.name} has not been started")
        return self._process

    async def _until_ended(self, process: subprocess.Popen[bytes]) -> None:
        if not hasattr(os, "pidfd_open"):
            while process.poll() is None:
                await self._clock.sleep(_POLL_SECONDS)
            return
        descriptor = os.pidfd_open(process.pid)
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _group_end(self) -> None:
        # The kernel tells nobody about the end of other people's children, so this one is asked for.
        while not self._group_gone and group_alive(self.pid):
            await self._clock.sleep(_POLL_SECONDS)
        self._close()

    def _close(self) -> None:
        self._group_gone = True
        _leash().release(self.pid)


def group_alive(group: int) -> bool:
    """Whether any process is left in a process group; zombies, which nobody may ever collect, do not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _any_living(group) if sys.platform == "linux" else True


def _any_living(group: int) -> bool:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # "pid (name) state parent group …", where the name may hold anything, brackets too.
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
                return True
    return False


def _die_with_parent() -> _DieWithParent | None:
    # The kernel means the thread that forked, not the process; only the main thread lives as long as we do.
    if _libc is None or threading.current_thread() is not threading.main_thread():
        return None
    return _DieWithParent(os.getpid())


@dataclass(frozen=True, slots=True)
class _DieWithParent:
    parent: int

    def __call__(self) -> None:
        assert _libc is not None
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != self.parent:
            os._exit(1)  # the parent died between fork and prctl


class _Leash:
    """Our end of the pipe to the leash process."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._held: set[int] = set()

    @property
    def good(self) -> bool:
        """False in a forked copy of us, and when somebody killed the leash."""
        return self._owner == os.getpid() and self._process.poll() is None

    @property
    def held(self) -> frozenset[int]:
        return frozenset(self._held) if self._owner == os.getpid() else frozenset()

    def hold(self, group: int) -> None:
        self._held.add(group)
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        if group in self._held:
            self._held.discard(group)
            self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()


_the_leash: _Leash | None = None


def _leash() -> _Leash:
    # One for the whole process, like the children that it watches.
    global _the_leash
    if _the_leash is None or not _the_leash.good:
        old, _the_leash = _the_leash, _Leash()
        for group in old.held if old else ():
            _the_leash.hold(group)
    return _the_leash
