"""What a host tells its registry, and what it makes of a registry that fails."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from greenroom.errors import RegistryUnavailable, SessionLimitExceeded
from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.hosts.resident import Resident
    from greenroom.registry import SessionInfo, SessionRegistry

logger = logging.getLogger("greenroom.runtime.host")


class Records:
    """Without an answer from the registry nobody can say whether there is room, so a limited start is refused. For
    everything else a registry that fails costs the session its record, until the next refresh, but not its call."""

    def __init__(
        self, registry: SessionRegistry, *, max_concurrent_sessions: int | None, max_sessions_per_call: int | None
    ) -> None:
        self.registry = registry
        self.limited = max_concurrent_sessions is not None or max_sessions_per_call is not None
        self._max_concurrent_sessions = max_concurrent_sessions
        self._max_sessions_per_call = max_sessions_per_call
        self._writing: set[asyncio.Task[None]] = set()

    async def admit(self, info: SessionInfo) -> None:
        """Raises SessionLimitExceeded, RegistryUnavailable."""
        try:
            await self.registry.admit(
                info,
                max_concurrent_sessions=self._max_concurrent_sessions,
                max_sessions_per_call=self._max_sessions_per_call,
            )
        except SessionLimitExceeded:
            raise
        except Exception as error:
            raise RegistryUnavailable(f"the registry cannot say whether there is room: {described(error)}") from error

    async def write(self, resident: Resident) -> None:
        """As it stands now, unless it is over."""
        if resident.over:
            return
        info, former = resident.info, resident.first_id
        if not resident.admitted:
            resident.admitted = True
            await self._tried(self.registry.take_in(info), info.session_id)
        elif former != info.session_id:
            await self._tried(self.registry.rename(info, former), info.session_id)
        else:
            await self._tried(self.registry.update(info), info.session_id)

    def write_soon(self, resident: Resident) -> None:
        self._in_background(self.write(resident), f"record-{resident.info.session_id}")

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def finish_soon(self, resident: Resident, then: Callable[[Resident], None]) -> None:
        """How it ended; one that nobody ever heard of leaves no record. `then` is called in any case."""
        if resident.session is None and not resident.admitted:
            then(resident)
            return
        self._in_background(self._finish(resident, then), f"record-{resident.info.session_id}")

    async def _finish(self, resident: Resident, then: Callable[[Resident], None]) -> None:
        try:
            await self._tried(self.registry.finish(resident.info), resident.info.session_id)
        finally:
            then(resident)

    async def forget(self, info: SessionInfo) -> None:
        """It was admitted, and nothing came of it."""
        await self._tried(self.registry.remove(info.call_id, info.session_id), info.session_id)

    async def written(self) -> None:
        """Nothing is being written any more."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _tried(self, step: Coroutine[Any, Any, None], session_id: str) -> None:
        try:
            await step
        except Exception as error:
            logger.error("session %s: the registry failed: %s", session_id, described(error))
