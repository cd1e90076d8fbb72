"""The queue of sessions that wait for a slot: since when each waits, and whose turn is next. Pure.

The operator binds in this order, the API tells clients their place in it.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import timedelta
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import TYPE_CHECKING

from greenroom_core.model.meta import ConditionStatus, find
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
    """When it began to wait for a slot; a creation stamp is cut to whole seconds, so the latest it can mean."""
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


def turns(
    waiting: Iterable[AgentSession], fair_by: str | None = None, holding: Mapping[str, int] | None = None
) -> list[AgentSession]:
    """Those who wait for slots of one runtime, in the order in which they get them. O(n log n).

    Without `fair_by`, a label's key, in the order of `turn`. With it, callers of equal priority take turns: next is
    the oldest of the caller with the fewest slots, those that it holds (`holding`, by caller) and those that it has
    been given on the way counted together; among callers with as many, whoever has waited longest.
    """
    ordered = sorted(waiting, key=turn)
    if fair_by is None:
        return ordered
    shares = Counter(holding or {})
    fair: list[AgentSession] = []
    for rank, group in groupby(ordered, key=lambda session: turn(session)[:2]):
        equals = list(group)
        if rank[0]:
            equals = _in_turns(equals, fair_by, shares)
        else:  # a launcher's own starts: nobody else gets slots of their pod, but they count
            shares.update(caller(session, fair_by) for session in equals)
        fair += equals
    return fair


def holding(sessions: Iterable[AgentSession], fair_by: str) -> Counter[str]:
    """How many slots each caller holds, of sessions of one runtime."""
    return Counter(caller(session, fair_by) for session in sessions if session.bound)


def caller(session: AgentSession, fair_by: str) -> str:
    """Who takes turns with others: the label's value. Sessions without it are together one caller."""
    return session.metadata.labels.get(fair_by, "")


def _in_turns(equals: Iterable[AgentSession], fair_by: str, shares: Counter[str]) -> list[AgentSession]:
    """Sessions of one priority, oldest first, as their callers take turns; `shares` grows with each."""
    lines: dict[str, deque[AgentSession]] = {}
    for session in equals:
        lines.setdefault(caller(session, fair_by), deque()).append(session)
    heads = [(shares[name], turn(line[0]), name) for name, line in lines.items()]
    heapify(heads)
    order = []
    while heads:
        _, _, name = heappop(heads)
        order.append(lines[name].popleft())
        shares[name] += 1
        if lines[name]:
            heappush(heads, (shares[name], turn(lines[name][0]), name))
    return order
