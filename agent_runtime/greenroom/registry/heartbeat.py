"""Keeps records alive from a thread of its own, so that an agent that blocks the loop costs no other its record.

The thread has its own event loop and its own connections to the store. It only renews what is there: what is written,
and when a session is over, is the registry's affair.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom.registry.store import SessionKVStore
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.registry")

_AFTER_FAILURE_SECONDS = 1.0
_BATCH = 500


class Heartbeat:
    """`keys` is called in the thread; it gives keys and times to live. `store` is for this thread alone."""

    def __init__(
        self,
        store: SessionKVStore,
        keys: Callable[[], Sequence[tuple[str, float]]],
        every_seconds: float,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._every_seconds = every_seconds
        self._clock = clock
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._beating = self._loop.create_task(self._beat(), name="session-heartbeat")
        self._thread = threading.Thread(target=self._run, name="session-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stopping = True  # should a store lose the cancellation
        with suppress(RuntimeError):  # its loop is closed: it ended by itself
            self._loop.call_soon_threadsafe(self._beating.cancel)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._beating)
        except Exception as error:
            logger.error("the heartbeat of the session store ended: %s", described(error))
        finally:
            self._loop.close()

    async def _beat(self) -> None:
        try:
            while not self._stopping:
                await self._clock.sleep(await self._renew())
        finally:
            await self._store.close()

    async def _renew(self) -> float:
        """Returns the pause until the next time, in seconds."""
        try:
            keys = self._keys()
            for start in range(0, len(keys), _BATCH):
                await self._store.renew_all(keys[start : start + _BATCH])
        except Exception as error:
            logger.warning("sessions could not be renewed in the store: %s", described(error))
            return min(self._every_seconds, _AFTER_FAILURE_SECONDS)
        return self._every_seconds
