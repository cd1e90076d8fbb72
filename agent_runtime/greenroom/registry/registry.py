"""The sessions of one process, with requests to close them.

Its methods are those of a registry that several nodes share, so they are async; this one keeps everything in memory.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from greenroom.registry.info import SessionInfo
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from greenroom_core.clock import Clock


class SessionRegistry:
    """Records of live sessions by call and session id."""

    def __init__(self, *, node_id: str | None = None, clock: Clock | None = None) -> None:
        self._node_id = node_id or str(uuid.uuid4())
        self._clock = clock or SystemClock()
        self._records: dict[tuple[str, str], SessionInfo] = {}
        self._close_requests: set[tuple[str, str]] = set()

    @property
    def node_id(self) -> str:
        return self._node_id

    async def start(self) -> None:
        """Called once, before anything else."""

    async def stop(self) -> None:
        self._records.clear()
        self._close_requests.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def register(self, call_id: str, session_id: str) -> None:
        now = self._clock.wall().timestamp()
        self._records[call_id, session_id] = SessionInfo(session_id, call_id, self._node_id, now, now)

    async def remove(self, call_id: str, session_id: str) -> None:
        self._records.pop((call_id, session_id), None)
        self._close_requests.discard((call_id, session_id))

    async def update_metrics(self, call_id: str, session_id: str, metrics: Mapping[str, Any]) -> None:
        record = self._records.get((call_id, session_id))
        if record is not None:
            now = self._clock.wall().timestamp()
            self._records[call_id, session_id] = replace(record, metrics=dict(metrics), metrics_updated_at=now)

    async def request_close(self, call_id: str, session_id: str) -> None:
        """Remembered until the session is removed; for one that is not known it says nothing and does nothing."""
        if (call_id, session_id) in self._records:
            self._close_requests.add((call_id, session_id))

    async def get_close_requests(self, sessions: Mapping[str, str]) -> list[str]:
        """Those of `sessions` (session id → call id) that were asked to close."""
        return [sid for sid, call_id in sessions.items() if (call_id, sid) in self._close_requests]

    async def get(self, call_id: str, session_id: str) -> SessionInfo | None:
        return self._records.get((call_id, session_id))

    async def get_for_call(self, call_id: str) -> list[SessionInfo]:
        return [record for (call, _), record in self._records.items() if call == call_id]
