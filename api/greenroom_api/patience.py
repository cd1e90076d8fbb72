"""What a connection may take its time for, and whose turn on it is. Pure: it knows neither sockets nor clocks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client is waited for, and how many of them there may be."""

    head_seconds: float = 20.0
    """From the first byte of a request to the end of its head."""
    body_seconds: float = 20.0
    """And from there to the end of its body, beside a second for each `body_bytes_per_second` of it."""
    body_bytes_per_second: int = 10 * 1024
    idle_seconds: float = 75.0
    """Before a request and between two: longer than clients and load balancers keep an idle connection. It is theirs
    to close it; where the server does so first, it may do it just when the next request is sent, which then fails."""
    unread_seconds: float = 60.0
    """With an answer that the client does not take."""
    connections: int = 2048
    """At one time."""


class Stage(Enum):
    """What a connection waits for."""

    IDLE = auto()
    """The first byte of a request."""
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    """Nothing of the client's: it is the program's turn."""


class Turn:
    """Where one connection stands. Times are seconds of any one clock."""

    def __init__(self, now: float) -> None:
        self.stage = Stage.IDLE
        self.since = now
        self._body_bytes = 0

    def enter(self, stage: Stage, now: float) -> None:
        self.stage, self.since, self._body_bytes = stage, now, 0

    def body_came(self, size: int) -> None:
        self._body_bytes += size

    def is_over(self, now: float, patience: Patience) -> bool:
        """The client has taken longer than it may."""
        match self.stage:
            case Stage.IDLE:
                allowed = patience.idle_seconds
            case Stage.HEAD:
                allowed = patience.head_seconds
            case Stage.BODY:
                allowed = patience.body_seconds + self._body_bytes / patience.body_bytes_per_second
            case Stage.ANSWER:
                return False
            case other:
                assert_never(other)
        return now - self.since > allowed
