"""What the scheduler's next cycle is to look at, and when it is to look at other sessions again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from greenroom_operator.state.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from greenroom_operator.planning.values import RuntimeKey


class Due(NamedTuple):
    """Sessions by uid, whose own state is to be looked at, and fleets whose free slots are to be given out; both in
    the order in which they came to be due, so that the same events make the same writes."""

    sessions: dict[str, None]
    fleets: dict[RuntimeKey, None]


class Agenda:
    """`ring()` is called whenever there is something to look at now."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._due = Due({}, {})
        self._deadlines = Deadlines()

    def look_at(self, *uids: str) -> None:
        self._due.sessions.update(dict.fromkeys(uids))
        self._ring()

    def look_at_fleets(self, *keys: RuntimeKey) -> None:
        self._due.fleets.update(dict.fromkeys(keys))
        self._ring()

    def look_again(self, uid: str, at: datetime) -> None:
        """The session's (or a resting pod's) only deadline from now on. The loop learns of it after its next cycle."""
        self._deadlines.set(uid, at)

    def forget(self, uid: str) -> None:
        self._deadlines.discard(uid)

    def take(self, now: datetime) -> Due:
        """Takes out what is due."""
        due, self._due = self._due, Due({}, {})
        due.sessions.update(dict.fromkeys(self._deadlines.due(now)))
        return due

    def next_at(self) -> datetime | None:
        """The earliest deadline."""
        return self._deadlines.next_at()
