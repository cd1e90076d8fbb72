"""Requests to close sessions: how they are left for an owner, and how an owner comes to know of them.

A request is a flag in the store, so that it outlasts whatever happens to a notice of it. The notice only spares the
owner the wait until it looks.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from greenroom.redaction import described
from greenroom.registry.keys import close_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from greenroom.registry.info import SessionInfo
    from greenroom.registry.store import SessionKVStore

logger = logging.getLogger("greenroom.runtime.registry")

_FLAG_SECONDS = 86_400.0
_BATCH = 100

Id = tuple[str, str]
"""Call id, session id."""


class CloseRequests:
    """Those for the sessions in `ours`, which is read anew each time, and those that this node makes of others."""

    def __init__(self, store: SessionKVStore, node_id: str, ours: Collection[Id]) -> None:
        self._store = store
        self._channel = _channel(node_id)
        self._ours = ours
        self._heard: set[Id] = set()
        self.wake: Callable[[str, str], None] | None = None

    # --- towards another node ---

    async def leave(self, which: Id, read: Callable[[str, str], Awaitable[SessionInfo | None]]) -> bool:
        """Ask the owner of a session that `read` finds living. False: there is none, and nothing is left behind."""
        info = await read(*which)
        if info is None:
            return False
        flag = close_key(*which)
        await self._store.set(flag, b"", _FLAG_SECONDS)
        if await read(*which) is None:  # it ended meanwhile: nobody would take the flag away
            await self._store.delete([flag])
            return False
        await self._store.notify(_channel(info.node_id), json.dumps(which).encode())
        return True

    # --- for sessions of our own ---

    def tell(self, which: Id) -> None:
        """One of ours was asked to close."""
        self._heard.add(which)
        if self.wake is not None:
            self.wake(*which)

    async def among(self, some: Sequence[Id]) -> list[Id]:
        """Those of `some` that were asked to close."""
        if not some:
            return []
        flags = await self._store.mget([close_key(*which) for which in some])
        found = zip(some, flags, strict=True)
        return [which for which, flag in found if flag is not None or which in self._heard]

    def forget(self, which: Id) -> str:
        """The session is over. Returns the key of its flag, which is to be deleted."""
        self._heard.discard(which)
        return close_key(*which)

    async def listen(self) -> None:
        """Hear notices for as long as the store gives any."""
        async for message in self._store.notifications(self._channel):
            try:
                await self._hear(message)
            except Exception as error:
                logger.warning("a close request was not heard at once: %s", described(error))

    async def _hear(self, message: bytes | None) -> None:
        if message is not None:
            call_id, session_id = json.loads(message)
            if (call_id, session_id) in self._ours:
                self.tell((call_id, session_id))
            return
        ours = list(self._ours)  # some may have been missed
        for start in range(0, len(ours), _BATCH):
            for which in await self.among(ours[start : start + _BATCH]):
                if which in self._ours:
                    self.tell(which)


def _channel(node_id: str) -> str:
    """Where a node hears of requests for its sessions."""
    return f"close/{node_id}"
