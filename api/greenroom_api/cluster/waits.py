"""Waiting for a session to reach a state, woken by the feed: no polling, one future a waiter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.kube.store import Store
    from greenroom_core.model.session import AgentSession

T = TypeVar("T")


class _Wait:
    __slots__ = ("future", "reached")

    def __init__(self, reached: Callable[[AgentSession | None], Any]) -> None:
        self.reached = reached
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Waits:
    """Those who wait, by the session's uid."""

    def __init__(self, store: Store[AgentSession]) -> None:
        self._store = store
        self._waits: dict[str, list[_Wait]] = {}

    def look(self, uid: str) -> None:
        """Called when the session has changed, or when what its waiters look for has."""
        session = self._store.get(uid)
        for wait in self._waits.get(uid, ()):
            if not wait.future.done() and (found := wait.reached(session)) is not None:
                wait.future.set_result(found)

    def look_all(self) -> None:
        """Called when what all waiters look for has changed."""
        for uid in tuple(self._waits):
            self.look(uid)

    async def until(self, uid: str, reached: Callable[[AgentSession | None], T | None]) -> T:
        """The first thing other than None that `reached` makes of the session; it is given None while the feed
        does not hold the session."""
        found = reached(self._store.get(uid))
        if found is not None:
            return found
        wait = _Wait(reached)
        waits = self._waits.setdefault(uid, [])
        waits.append(wait)
        try:
            result: T = await wait.future
            return result
        finally:
            waits.remove(wait)
            if not waits and self._waits.get(uid) is waits:
                del self._waits[uid]
