"""How session processes end whose stock has died: they are this process's own children then."""

from __future__ import annotations

import asyncio
import os

from greenroom.isolation import kernel


def adopt(pid: int, exit_: asyncio.Future[int | None]) -> None:
    """Has `exit_` learn the status of `pid` when it ends; None at once where the system cannot say."""
    try:
        watched = os.pidfd_open(pid)
    except (AttributeError, OSError):
        exit_.set_result(None)
        return
    loop = asyncio.get_running_loop()

    def reap() -> None:
        loop.remove_reader(watched)
        os.close(watched)
        exit_.set_result(_status(pid))
        kernel.end_group(pid)

    loop.add_reader(watched, reap)


def _status(pid: int) -> int | None:
    try:
        return os.waitpid(pid, os.WNOHANG)[1]
    except ChildProcessError:
        return None
