"""The session backend over the launcher of this process. It knows neither HTTP nor how sessions are kept."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, Self

from greenroom.errors import (
    InvalidParameters,
    MaxConcurrentSessionsExceeded,
    MaxSessionsPerCallExceeded,
    NoFreeSlot,
    RegistryUnavailable,
    StartAbandoned,
    StartTimedOut,
)
from greenroom.redaction import described
from greenroom.serve.fitting import misfit
from greenroom.serve.keys import KeyedStarts
from greenroom_api import paging
from greenroom_api.backend import (
    Accepted,
    AgentFailed,
    BackendUnavailable,
    EndedEarly,
    Leaving,
    Limit,
    LimitReached,
    Listing,
    NoSlot,
    QueuePlace,
    RequestRefused,
    SessionFigures,
    SessionInfo,
    Started,
)
from greenroom_core.clock import SystemClock
from greenroom_core.model.names import DEFAULT_RUNTIME
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from greenroom.launcher import AgentLauncher
    from greenroom.registry import SessionInfo as Record
    from greenroom.session import AgentSession
    from greenroom_api.backend import ListQuery, StartOutcome, StartRequest
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.api.backend")


class LocalBackend:
    """Entering it starts the launcher, leaving it stops it; a launcher that runs already is left to who started it."""

    def __init__(self, launcher: AgentLauncher, *, ready_when_full: bool = True, clock: Clock | None = None) -> None:
        self._launcher = launcher
        self._ready_when_full = ready_when_full
        self._clock = clock or SystemClock()
        self._keyed = KeyedStarts(self._started, self._clock)
        self._leaving = False
        self._stops_launcher = False

    async def __aenter__(self) -> Self:
        self._leaving = False
        if not self._launcher.running:
            await self._launcher.start()
            self._stops_launcher = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        if self._stops_launcher:
            self._stops_launcher = False
            await self._launcher.stop()
        await self._keyed.settled()

    @property
    def ready(self) -> bool:
        return self._launcher.ready and not self._leaving and (self._ready_when_full or not self._launcher.full)

    def leave(self) -> None:
        self._leaving = True

    def gauges(self) -> Mapping[str, float]:
        return {"sessions": len(self._launcher.sessions)}

    async def start(self, request: StartRequest) -> StartOutcome:
        if self._leaving:
            return Leaving()
        if (problem := misfit(request)) is not None:
            return RequestRefused(problem)
        if request.idempotency_key is None:
            return await self._started(request)
        outcome = await self._keyed.start(request)
        return await self._by_now(outcome.session) if isinstance(outcome, Accepted) else outcome

    async def get(self, call_id: str, session_id: str) -> SessionInfo | None:
        record = await self._record(call_id, session_id)
        return _seen(record) if record is not None else None

    def place_in_queue(self, session: SessionInfo) -> QueuePlace | None:
        """Nothing is queued here: a start has its place at once or is refused."""

    async def list(self, query: ListQuery) -> Listing:
        try:
            records = await self._launcher.list_sessions(query.call_id)
        except Exception as problem:
            _unavailable(problem)
        fitting = [_seen(record) for record in records if not query.phases or record.phase in query.phases]
        if query.runtime not in (None, DEFAULT_RUNTIME):
            fitting = []
        sessions, following = paging.page(fitting, _place, query.limit, query.after)
        return Listing(tuple(sessions), following)

    async def request_close(self, call_id: str, session_id: str) -> bool:
        try:
            return await self._launcher.request_close_session(call_id, session_id)
        except Exception as problem:
            _unavailable(problem)

    async def metrics(self, call_id: str, session_id: str) -> SessionFigures | None:
        record = await self._record(call_id, session_id)
        if record is None:
            return None
        return SessionFigures(_seen(record), record.metrics.to_dict(), _moment(record.metrics_updated_at))

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        try:
            return await self._launcher.get_session_answer(call_id, session_id, wait_seconds)
        except Exception as problem:
            _unavailable(problem)

    async def _by_now(self, begun: SessionInfo) -> StartOutcome:
        """A key may come back when the agent that nobody waited for runs."""
        seen = await self.get(begun.call_id, begun.session_id)
        return Started(seen) if seen is not None and seen.session_started_at is not None else Accepted(begun)

    async def _record(self, call_id: str, session_id: str) -> Record | None:
        try:
            return await self._launcher.get_session_info(call_id, session_id)
        except Exception as problem:
            _unavailable(problem)

    async def _started(self, request: StartRequest) -> StartOutcome:
        try:
            if request.respond_async:
                record = await self._launcher.begin_session(
                    request.call_id, request.call_type, parameters=request.parameters, limits=request.limits
                )
                return Accepted(_seen(record))
            asked_at = self._clock.wall()
            session = await self._launcher.start_session(
                request.call_id, request.call_type, parameters=request.parameters, limits=request.limits
            )
            return Started(_running(session, request, asked_at, self._launcher.registry.node_id))
        except RegistryUnavailable as problem:
            _unavailable(problem)
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> StartOutcome:
        match error:
            case MaxConcurrentSessionsExceeded():
                return LimitReached(Limit.CONCURRENT_SESSIONS)
            case MaxSessionsPerCallExceeded():
                return LimitReached(Limit.SESSIONS_PER_CALL)
            case NoFreeSlot():
                return NoSlot()
            case InvalidParameters():
                return RequestRefused(str(error))
            case StartAbandoned():
                leaving = self._leaving or self._launcher.draining or not self._launcher.running
                return Leaving() if leaving else EndedEarly()
            case StartTimedOut():
                return AgentFailed(EndReason.START_TIMEOUT, str(error))
            case _:
                return AgentFailed(EndReason.AGENT_ERROR, described(error))


def _unavailable(problem: Exception) -> NoReturn:
    raise BackendUnavailable(f"the registry failed: {described(problem)}") from problem


def _seen(record: Record) -> SessionInfo:
    """The session as clients see it. Until its agent is built, a record's start is its creation."""
    built = record.phase is Phase.RUNNING or record.started_at != record.created_at
    return SessionInfo(
        session_id=record.session_id,
        call_id=record.call_id,
        call_type=record.call_type,
        runtime=DEFAULT_RUNTIME,
        phase=record.phase,
        reason=record.reason,
        message=record.message or None,
        pod=record.node_id,
        created_at=_moment(record.started_at if record.created_at is None else record.created_at),
        session_started_at=_moment(record.started_at) if built else None,
        ended_at=_moment(record.ended_at) if record.ended_at is not None else None,
    )


def _running(session: AgentSession, request: StartRequest, asked_at: datetime, node_id: str) -> SessionInfo:
    return SessionInfo(
        session_id=session.id,
        call_id=session.call_id,
        call_type=request.call_type,
        runtime=DEFAULT_RUNTIME,
        phase=Phase.RUNNING,
        reason=None,
        message=None,
        pod=node_id,
        created_at=asked_at,
        session_started_at=session.started_at,
        ended_at=None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _place(session: SessionInfo) -> paging.Place:
    return session.created_at.timestamp(), session.session_id
