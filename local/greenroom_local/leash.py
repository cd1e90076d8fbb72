"""A small process that outlives its parent by one step: it kills what the parent leaves behind.

It reads ``+<process group>`` and ``-<process group>`` lines from its standard input. When the input ends, because
the parent closed it or died in whatever way, every group still on the list gets SIGKILL. It is started as a
file, so it imports nothing of ours, and in a session of its own, so that a terminal's Ctrl-C does not reach it.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    groups: list[int] = []
    for line in sys.stdin.buffer:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.append(group)
        elif group in groups:
            groups.remove(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
