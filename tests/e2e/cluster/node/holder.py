"""Process 1 of the node: with its end the kernel ends every process of the node, containers included.

It is started as a file by ``unshare``, and imports nothing of ours. It does nothing: what is set up in the node's
namespaces is done from outside. Orphans become its children, and the kernel collects those of a parent that
ignores SIGCHLD.
"""

from __future__ import annotations

import signal


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
