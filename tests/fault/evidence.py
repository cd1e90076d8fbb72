"""What is known after a case: plain values from three sources that do not know of each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.invariants import Tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.invariants import Event
    from tests.stack.journal import Line


@dataclass(slots=True)
class Life:
    """One session as its caller knows it; its call is no other session's. Times are the monotonic clock's.

    `finish_seconds`: its agent leaves by itself so long after it has joined; None: when it is asked to close.
    `again`: it may run again after its pod is lost. `status`: of the answer to the start, None before there is one.
    """

    call: str
    finish_seconds: float | None
    again: bool
    asked_at: float
    answered_at: float | None = None
    status: int | None = None
    session: str = ""
    close_asked_at: float | None = None

    @property
    def acknowledged(self) -> bool:
        return self.status in (200, 201)


@dataclass(frozen=True, slots=True)
class Killed:
    """A pod whose process the case killed with everything in it, at a time of the monotonic clock."""

    pod: str
    at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """`recording`: what the API server showed; `lines`: what the agents said; `lives`: what the callers were told."""

    recording: Sequence[Event]
    lines: Sequence[Line]
    lives: Sequence[Life]
    killed: Sequence[Killed] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)
