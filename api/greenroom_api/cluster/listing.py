"""A page of sessions, newest first, and the cursor to the next. Pure."""

from __future__ import annotations

import base64
import heapq
from typing import TYPE_CHECKING

import msgspec

from greenroom_api.backend import BadCursor, Listing, ListQuery
from greenroom_api.cluster.verdicts import seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenroom_core.model.session import AgentSession

_Place = tuple[float, str]
_place: msgspec.json.Decoder[_Place] = msgspec.json.Decoder(_Place)


def page(sessions: Iterable[AgentSession], query: ListQuery) -> Listing:
    """Later sessions do not disturb the pages after a cursor. Raises BadCursor."""
    before = _decoded(query.after) if query.after is not None else None
    fitting = (session for session in sessions if _fits(session, query))
    rest = [session for session in fitting if before is None or _at(session) < before]
    newest = heapq.nlargest(query.limit, rest, key=_at)
    more = len(rest) > len(newest)
    return Listing(tuple(map(seen, newest)), _encoded(_at(newest[-1])) if more and newest else None)


def _fits(session: AgentSession, query: ListQuery) -> bool:
    return (
        (query.call_id is None or session.spec.call_id == query.call_id)
        and (query.runtime is None or session.spec.runtime == query.runtime)
        and (not query.phases or session.status.phase in query.phases)
    )


def _at(session: AgentSession) -> _Place:
    return seen(session).created_at.timestamp(), session.metadata.name


def _encoded(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _decoded(cursor: str) -> _Place:
    try:
        return _place.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.DecodeError) as error:
        raise BadCursor(f"after={cursor!r} is not the `next` of a listing") from error
