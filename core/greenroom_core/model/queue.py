"""The queue of sessions that wait for a slot: since when each waits, and whose turn is next. Pure.

The operator binds in this order, the API tells clients their place in it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus, find
from greenroom_core.model.recovery import paused_until
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from greenroom_core.model.session import AgentSession

_STAMP_RESOLUTION = timedelta(seconds=1)


def waits(session: AgentSession) -> bool:
    """It has no pod and is to get one."""
    return not (session.bound or session.ended or session.deleting or session.close_requested)


def waiting_since(session: AgentSession) -> datetime:
    """When it began to wait for a slot, or will. A creation stamp is cut to whole seconds: the latest it can mean."""
    if (until := paused_until(session)) is not None:
        return until
    condition = find(session.status.conditions, SCHEDULED)
    moved = condition is not None and session.status.attempt > 0
    if moved and condition is not None and condition.status is ConditionStatus.FALSE:
        return condition.last_transition_time
    created = session.metadata.creation_timestamp
    if created is None:
        raise ValueError(f"session {session.metadata.key} has no creationTimestamp: it does not come from a server")
    return created + _STAMP_RESOLUTION


def turn(session: AgentSession) -> tuple[bool, int, datetime, str]:
    """Sort key: a launcher's own starts, then priority, then who has waited longest."""
    return session.spec.pod_name is None, -session.spec.priority, waiting_since(session), session.metadata.uid


@dataclass(frozen=True, slots=True)
class Share:
    """What a caller has had of one runtime: slots `held` now, and when it was given one last (None: never)."""

    held: int = 0
    served_at: datetime | None = None


def turns(
    waiting: Iterable[AgentSession], fair_by: str | None = None, shares: Mapping[str, Share] | None = None
) -> list[AgentSession]:
    """Those who wait for slots of one runtime, in the order in which they get them. O(n log n).

    Without `fair_by`, a label's key, in the order of `turn`. With it, callers of equal priority take turns: next is
    the oldest of the caller with the fewest slots, what it holds and what it is given on the way counted together;
    among callers with as many, of the one that was given a slot longest ago, or never.
    """
    ordered = sorted(waiting, key=turn)
    if fair_by is None:
        return ordered
    given = _Given(shares or {})
    fair: list[AgentSession] = []
    for rank, group in groupby(ordered, key=lambda session: turn(session)[:2]):
        equals = list(group)
        if rank[0]:
            equals = _in_turns(equals, fair_by, given)
        else:  # a launcher's own starts: nobody else gets slots of their pod, but they count
            for session in equals:
                given.give(caller(session, fair_by))
        fair += equals
    return fair


def shares_of(sessions: Iterable[AgentSession], fair_by: str) -> dict[str, Share]:
    """Each caller's share, of all sessions of one runtime that are on record, ended ones too."""
    found: dict[str, Share] = {}
    for session in sessions:
        name = caller(session, fair_by)
        share, at = found.get(name, Share()), session.status.scheduled_at
        found[name] = Share(share.held + session.bound, later(share.served_at, at))
    return found


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """None is before every time."""
    return max((at for at in (one, other) if at is not None), default=None)


def caller(session: AgentSession, fair_by: str) -> str:
    """Who takes turns with others: the label's value. Sessions without it are together one caller."""
    return session.metadata.labels.get(fair_by, "")


class _Given:
    """Shares with what is given on the way; the more a rank, the later the turn."""

    def __init__(self, shares: Mapping[str, Share]) -> None:
        self._shares = shares
        self._given: dict[str, tuple[int, int]] = {}
        self._number = 0

    def give(self, name: str) -> None:
        self._number += 1
        self._given[name] = (self._given.get(name, (0, 0))[0] + 1, self._number)

    def rank(self, name: str) -> tuple[int, int, float]:
        """Slots, then when the last one was given: the ones given here are later than all before."""
        share = self._shares.get(name, _NO_SHARE)
        more, number = self._given.get(name, (0, 0))
        return share.held + more, number, share.served_at.timestamp() if share.served_at is not None else 0.0


_NO_SHARE = Share()


def _in_turns(equals: Iterable[AgentSession], fair_by: str, given: _Given) -> list[AgentSession]:
    """Sessions of one priority, oldest first, as their callers take turns."""
    lines: dict[str, deque[AgentSession]] = {}
    for session in equals:
        lines.setdefault(caller(session, fair_by), deque()).append(session)
    heads = [(given.rank(name), turn(line[0]), name) for name, line in lines.items()]
    heapify(heads)
    order = []
    while heads:
        _, _, name = heappop(heads)
        order.append(lines[name].popleft())
        given.give(name)
        if lines[name]:
            heappush(heads, (given.rank(name), turn(lines[name][0]), name))
    return order
