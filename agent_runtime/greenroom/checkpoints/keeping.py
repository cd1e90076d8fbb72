"""Keeps the checkpoints of a process's sessions in a store, seldom and beside the calls.

A store that is slow or fails is waited for no longer than 2 s, told of once, and counted. It never ends a call.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from greenroom.observability.process import CHECKPOINTS
from greenroom.redaction import described
from greenroom_core.model.session import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from greenroom.checkpoints.store import CheckpointStore
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.checkpoints")

T = TypeVar("T")

SAVE_EVERY_SECONDS = 5.0
STORE_SECONDS = 2.0


class Keeping:
    """For all sessions of the process."""

    def __init__(self, store: CheckpointStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._failing = False

    def of(self, session: str, attempt: int) -> SessionKeeping:
        return SessionKeeping(self, session, attempt)

    async def close(self) -> None:
        await self.tried("close", self.store.close(), None)

    async def tried(self, what: str, operation: Awaitable[T], otherwise: T) -> T:
        """What the store answers; `otherwise` when it does not, or too late."""
        try:
            async with self.clock.timeout(STORE_SECONDS):
                answer = await operation
        except Exception as error:
            self._failed(what, error)
            return otherwise
        CHECKPOINTS.labels(what, "done").inc()
        if self._failing:
            self._failing = False
            logger.info("the store of checkpoints answers again")
        return answer

    def _failed(self, what: str, error: Exception) -> None:
        CHECKPOINTS.labels(what, "failed").inc()
        if self._failing:
            return
        self._failing = True
        why = f"no answer in {STORE_SECONDS:g} s" if isinstance(error, TimeoutError) else described(error)
        logger.warning("the store of checkpoints failed (%s): %s; the calls go on", what, why)


class SessionKeeping:
    """For one attempt of one session. :meth:`put` never waits; :meth:`run` saves the latest, until it is cancelled."""

    def __init__(self, keeping: Keeping, session: str, attempt: int) -> None:
        self._keeping = keeping
        self._session = session
        self._attempt = attempt
        self._latest = ""
        self._wanted = asyncio.Event()

    def put(self, state: str) -> None:
        self._latest = state
        self._wanted.set()

    async def run(self) -> None:
        """At most once in SAVE_EVERY_SECONDS."""
        keeping = self._keeping
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            saving = self._saved(Checkpoint(state=self._latest, attempt=self._attempt))
            if not await keeping.tried("save", saving, otherwise=False):
                self._wanted.set()
            await keeping.clock.sleep(SAVE_EVERY_SECONDS)

    async def load(self) -> Checkpoint | None:
        return await self._keeping.tried("load", self._keeping.store.load(self._session), None)

    async def forget(self) -> None:
        await self._keeping.tried("forget", self._keeping.store.forget(self._session), None)

    async def _saved(self, checkpoint: Checkpoint) -> bool:
        await self._keeping.store.save(self._session, checkpoint)
        return True
