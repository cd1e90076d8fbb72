"""What one attempt of a session takes over from those before it, and leaves for the next one.

It comes by the status, from an attempt that was given back, or by the store of checkpoints, from one that was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.session import Checkpoint

if TYPE_CHECKING:
    from greenroom.checkpoints.keeping import Keeping, SessionKeeping
    from greenroom.runtime.report import Fields
    from greenroom_core.model.session import AgentSession


class Handover:
    """Of one attempt. Without :meth:`use` there is no store."""

    def __init__(self, session: AgentSession) -> None:
        meta, status = session.metadata, session.status
        self.left = status.checkpoint
        """What an attempt before this one has left, as far as is known."""
        self._shown = status.checkpoint
        self._session = f"{meta.namespace}/{meta.uid}"
        self._attempt = status.attempt
        self._state: str | None = None
        self._store: SessionKeeping | None = None

    @property
    def stored(self) -> bool:
        return self._store is not None

    @property
    def fields(self) -> Fields:
        """For the write that gives the session back: the latest there is, unless the status has it already."""
        own = Checkpoint(state=self._state, attempt=self._attempt) if self._state is not None else None
        latest = own or self.left
        return {} if latest == self._shown else {"checkpoint": latest}

    def use(self, keeping: Keeping) -> None:
        self._store = keeping.of(self._session, self._attempt)

    def put(self, state: str) -> None:
        """What the agent has kept last."""
        self._state = state
        if self._store is not None:
            self._store.put(state)

    async def look_up(self) -> None:
        """An attempt that was lost may have left something later than the status has."""
        before = self._attempt - 1
        if self._store is None or before < 1 or (self.left is not None and self.left.attempt == before):
            return
        found = await self._store.load()
        if found is not None and (self.left is None or self.left.attempt < found.attempt):
            self.left = found

    async def keep(self) -> None:
        """Saves the latest now and then, until it is cancelled."""
        if self._store is not None:
            await self._store.run()

    async def forget(self) -> None:
        """The session has ended."""
        if self._store is not None:
            await self._store.forget()
