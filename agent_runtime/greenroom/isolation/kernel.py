"""What the operating system does for processes: die together, count memory, take over orphans.

Linux does all of it. Elsewhere a process notices only the end of its sockets, and there is no memory limit.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_F_SETSIG = 10
_BYTES_PER_KIB = 1024


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that made it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def take_over_orphans() -> None:
    """Processes whose parent, a child of ours, died become ours, so that somebody learns how they end."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_group(leader: int) -> None:
    """SIGKILL for what is left of the process group of `leader`, which is no more."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def die_at_end_of(lifeline: int) -> None:
    """SIGKILL for this process as soon as nobody holds the write end of the pipe `lifeline`.

    The kernel itself sends it, so it also ends a process whose code never lets Python run again. The pipe is opened
    anew, because a process that shares an open file with others cannot have its signals to itself.
    """
    if not _LINUX:
        return
    own = os.open(f"/proc/self/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK)
    os.close(lifeline)
    with suppress(OSError):  # a sandbox may not know it; the end of its socket is left then
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
    if _at_end(own):  # it was gone before the kernel was asked to watch
        os.kill(os.getpid(), signal.SIGKILL)


def limit_memory(more_bytes: int) -> None:
    """From here on this process may allocate so much more. Only the soft limit: :func:`lift_memory_limit` undoes it."""
    if _LINUX:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = _data_bytes() + more_bytes
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def lift_memory_limit() -> None:
    """So that a session that went over its limit can still leave its call and say why."""
    if _LINUX:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def threads() -> int:
    """How many threads this process has, those of C libraries too; 1 where it cannot be known."""
    return len(os.listdir("/proc/self/task")) if _LINUX else 1


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * _BYTES_PER_KIB
    raise OSError("/proc/self/status has no VmData")


def _at_end(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


def _prctl(option: int, value: int) -> None:
    if _LINUX and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"prctl({option})")
