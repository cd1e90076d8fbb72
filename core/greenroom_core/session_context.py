"""Whose session the running code belongs to, for the lines it logs.

The ids live in a context variable: every task made while they hold inherits them. Knows nothing of logging.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class SessionIds:
    """One session's ids, shared by all its tasks: an id set here later is seen by those that run already."""

    session: str
    call: str


_current: ContextVar[SessionIds | None] = ContextVar("greenroom_session", default=None)


def current() -> SessionIds | None:
    """The ids that hold here; None outside every session."""
    return _current.get()


@contextmanager
def session_context(session_id: str, call_id: str) -> Iterator[SessionIds]:
    """Within the block, and in every task made in it, lines are logged as those of this session.

    Set `session` of what comes back when the session takes another id later.
    """
    ids = SessionIds(session_id, call_id)
    token = _current.set(ids)
    try:
        yield ids
    finally:
        _current.reset(token)


def context_of(session_id: str, call_id: str) -> Context:
    """The same as a context that a session's tasks are made with, wherever they are made."""
    context = copy_context()
    context.run(_current.set, SessionIds(session_id, call_id))
    return context
