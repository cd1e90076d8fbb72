"""Free TCP ports on the loopback address."""

from __future__ import annotations

import itertools
import os
import socket

LOOPBACK = "127.0.0.1"

# Below the ports that kernels hand to outgoing connections: one of those could take a port between its choice
# and its use. Each process begins somewhere else and gives no port twice.
_LOWEST, _COUNT = 15_000, 17_000
_candidates = itertools.islice(itertools.cycle(range(_LOWEST, _LOWEST + _COUNT)), os.getpid() * 101 % _COUNT, None)


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different ports that nobody listened on just now."""
    free = (port for port in _candidates if not is_taken(port))
    return tuple(itertools.islice(free, count))


def is_taken(port: int) -> bool:
    """Whether a server could not listen on this port now."""
    with socket.socket() as probe:
        # As servers do it: an earlier listener's closing connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
