"""What the REST routes need of whoever runs sessions, as values in and values out.

Outcomes that a client is told of are values; :class:`BackendUnavailable` alone is an error. This module must know
neither HTTP nor Kubernetes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType

    from greenroom_core.model.phases import Phase
    from greenroom_core.model.reasons import EndReason
    from greenroom_core.model.session import RestartPolicy


class BackendUnavailable(Exception):
    """What keeps the sessions gives no definite answer now; trying again later may help."""


class BadCursor(ValueError):
    """A continuation of a listing that no listing gave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a client asks for. Limits, restart policy and time to live that are None come from the runtime.

    With `respond_async` the answer does not wait for the agent. `caller` keeps one client's keys apart from another's.
    """

    call_id: str
    call_type: str = "default"
    runtime: str = "default"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: SessionLimits = field(default_factory=SessionLimits)
    priority: int = 0
    restart_policy: RestartPolicy | None = None
    ttl_seconds_after_finished: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    caller: str = ""
    respond_async: bool = False


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a session that waits for a slot stands: 1 is next, None while it pauses, since its pods were lost one after
    the other. `expected_wait_seconds` by how fast slots came of late, None if none did; `cause` is why it waits, as far
    as that has been said."""

    position: int | None
    expected_wait_seconds: float | None
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session as clients see it. `session_started_at` is None until it has been Running."""

    session_id: str
    call_id: str
    call_type: str
    runtime: str
    phase: Phase
    reason: EndReason | None
    message: str | None
    pod: str | None
    created_at: datetime
    session_started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """All 25 figures by name; `generated_at` is when the agent's process took them."""

    session: SessionInfo
    metrics: Mapping[str, Any]
    generated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Empty or None means any. `after` is the `next` of the page before; raises BadCursor when it is not."""

    call_id: str | None = None
    runtime: str | None = None
    phases: frozenset[Phase] = frozenset()
    limit: int = 100
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Sessions, newest first; `next` is None on the last page."""

    sessions: tuple[SessionInfo, ...]
    next: str | None


class Limit(StrEnum):
    """Which limit a start met."""

    CONCURRENT_SESSIONS = "concurrent sessions"
    SESSIONS_PER_CALL = "sessions per call"


@dataclass(frozen=True, slots=True)
class Started:
    """The agent has been built and is joining (or did so, where a key gave an ended session)."""

    session: SessionInfo


@dataclass(frozen=True, slots=True)
class Accepted:
    """The session exists, and what becomes of its agent shows later; only for a request that asked for this."""

    session: SessionInfo


@dataclass(frozen=True, slots=True)
class LimitReached:
    """No agent was started, and none will be."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class NoSlot:
    """No slot came free in time. No agent was started, and none will be."""


@dataclass(frozen=True, slots=True)
class Full:
    """No slot is free, and the runtime lets nobody wait for one. No agent was started, and none will be."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """This process is shutting down. No agent was started, and none will be."""


@dataclass(frozen=True, slots=True)
class EndedEarly:
    """Somebody closed or deleted the session before its agent was built."""


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """A runtime took the session and could not start its agent."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The request cannot be carried out as it is; `message` says why, in words for the client."""

    message: str


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The Idempotency-Key belongs to another request."""


StartOutcome = (
    Started | Accepted | LimitReached | NoSlot | Full | Leaving | EndedEarly | AgentFailed | RequestRefused | KeyReused
)


class SessionBackend(Protocol):
    """Runs sessions. Entered before the first call, left after the last."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def ready(self) -> bool:
        """It can start sessions and knows those that there are."""
        ...

    def leave(self) -> None:
        """Starts that have no slot yet end as Leaving, and so does every later one."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """For monitoring, by the names of `greenroom_api.instruments.GAUGES`."""
        ...

    async def start(self, request: StartRequest) -> StartOutcome:
        """Returns when the agent runs or certainly does not, or with `respond_async` when the session is on record.

        Cancelled without a key: the session is withdrawn.
        """
        ...

    async def get(self, call_id: str, session_id: str) -> SessionInfo | None:
        """None for one that is unknown, another call's, or ended."""
        ...

    def place_in_queue(self, session: SessionInfo) -> QueuePlace | None:
        """None if it does not wait for a slot, as far as is known without asking anybody."""
        ...

    async def list(self, query: ListQuery) -> Listing:
        """Ended sessions too, for as long as they are kept."""
        ...

    async def request_close(self, call_id: str, session_id: str) -> bool:
        """True when the request is on record and will be carried out; False where `get` says None."""
        ...

    async def metrics(self, call_id: str, session_id: str) -> SessionFigures | None:
        """Figures that are seconds old at most, where the agent's process answers; None where `get` says None."""
        ...

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        """What the session's edge answers to the offer among its parameters, as soon as it is there; "" when that is
        not within `wait_seconds`, None where `get` says None, at once when the session ends meanwhile."""
        ...
