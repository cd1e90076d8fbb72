"""A page of the sessions that a feed holds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_api import paging
from greenroom_api.backend import Listing, ListQuery
from greenroom_api.cluster.verdicts import seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenroom_core.model.session import AgentSession


def page(sessions: Iterable[AgentSession], query: ListQuery) -> Listing:
    """Raises BadCursor."""
    fitting = (session for session in sessions if _fits(session, query))
    newest, following = paging.page(fitting, _place, query.limit, query.after)
    return Listing(tuple(map(seen, newest)), following)


def _fits(session: AgentSession, query: ListQuery) -> bool:
    return (
        (query.call_id is None or session.spec.call_id == query.call_id)
        and (query.runtime is None or session.spec.runtime == query.runtime)
        and (not query.phases or session.status.phase in query.phases)
    )


def _place(session: AgentSession) -> paging.Place:
    return seen(session).created_at.timestamp(), session.metadata.name
