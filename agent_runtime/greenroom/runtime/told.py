"""What a pod tells its own code of sessions: the handle of one that runs here, the record of any. Nothing is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from greenroom.observability import AgentMetrics
from greenroom.registry import SessionInfo
from greenroom.session import AgentSession as Handle

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

    from greenroom.hosted import HostedAgent
    from greenroom_core.model.session import AgentSession


class PodSession(Handle):
    """It bears its object's name, whatever its agent is called."""

    __slots__ = ("_name",)

    def __init__(
        self, name: str, agent: HostedAgent, call_id: str, started_at: datetime, task: asyncio.Task[None]
    ) -> None:
        super().__init__(agent, call_id, started_at, task)
        self._name = name

    @property
    def id(self) -> str:
        return self._name


def record(session: AgentSession) -> SessionInfo:
    """The session as its object shows it; its node is its pod, "" while it has none."""
    spec, status = session.spec, session.status
    created_at = _seconds(session.metadata.creation_timestamp)
    started_at = _seconds(status.started_at) or created_at or 0.0
    figures = structs.asdict(status.metrics) if status.metrics is not None else {}
    return SessionInfo(
        session_id=session.metadata.name,
        call_id=spec.call_id,
        node_id=status.pod_name or "",
        started_at=started_at,
        metrics_updated_at=_seconds(status.metrics_generated_at) or started_at,
        metrics=AgentMetrics.from_dict(figures),
        call_type=spec.call_type,
        phase=status.phase,
        created_at=created_at,
        reason=status.reason,
        message=status.message or "",
        ended_at=_seconds(status.ended_at),
        answer=status.answer or "",
    )


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None
