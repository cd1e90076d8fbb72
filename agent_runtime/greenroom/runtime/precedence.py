"""Which of a pod's writes go first when many are to go at once: those that somebody waits for.

A client waits for Running; that an agent has joined is looked at later. In a burst each write in between makes all
the others later.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterator

LONGEST_WAIT_SECONDS = 1.0
_MAY_WAIT = frozenset({"joinedAt", "conditions"})


def may_wait(fields: Collection[str]) -> bool:
    """Whether nobody waits for these fields of a status."""
    return _MAY_WAIT.issuperset(fields)


class Precedence:
    """Shared by all writers of a pod."""

    def __init__(self) -> None:
        self._urgent = 0
        self._waiting: dict[asyncio.Event, None] = {}

    @property
    def taken(self) -> bool:
        """A write that somebody waits for is under way."""
        return self._urgent > 0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Within the block a write that somebody waits for is under way."""
        self._urgent += 1
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                for wake in self._waiting:
                    wake.set()

    @contextmanager
    def waking(self, wake: asyncio.Event) -> Iterator[None]:
        """Within the block `wake` is set when no such write is under way any more."""
        self._waiting[wake] = None
        try:
            yield
        finally:
            self._waiting.pop(wake, None)
