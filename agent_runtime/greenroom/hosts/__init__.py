"""Where a launcher's sessions are kept and judged: in this process, or as objects of a cluster.

`local` keeps them under a :class:`greenroom.registry.SessionRegistry`; `pod` makes each an AgentSession. The launcher
knows its host by this surface alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.registry import SessionInfo
    from greenroom.session import AgentSession


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session that somebody asks the launcher for. Limits that are None are the launcher's own."""

    call_id: str
    call_type: str = "default"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: SessionLimits = field(default_factory=SessionLimits)
    video_track_override_path: str | None = None


class SessionHost(Protocol):
    """All methods are called on one running loop."""

    @property
    def warms_up(self) -> bool:
        """Its start has the launcher warm up, beside what cannot wait for that; else that comes before."""
        ...

    async def start(self) -> None:
        """Sessions may start afterwards. Raises what keeps them from it."""
        ...

    async def stop(self) -> None:
        """End every session, those that are starting or leaving too; all agents are closed when it returns."""
        ...

    async def drain(self, timeout: float | None) -> bool:
        """No new sessions; those here may finish for `timeout` seconds, the rest is ended. Whether all finished."""
        ...

    @property
    def running(self) -> bool:
        """Between its start and its stop; a pod's program may have started it without the launcher."""
        ...

    @property
    def draining(self) -> bool: ...

    @property
    def full(self) -> bool:
        """No room for one more session here."""
        ...

    @property
    def sessions(self) -> tuple[AgentSession, ...]:
        """Those of this process whose agents are built and have not left."""
        ...

    async def start_session(self, wanted: Wanted) -> AgentSession:
        """Returns when the agent is built and about to join; `greenroom.errors` tells what it raises."""
        ...

    async def begin_session(self, wanted: Wanted) -> SessionInfo:
        """Returns when the session has its place; its agent is built meanwhile."""
        ...

    async def close_session(self, session_id: str, wait: bool) -> bool:
        """Ask a session of this process to leave; False if there is none."""
        ...

    def get_session(self, session_id: str) -> AgentSession | None: ...

    async def request_close(self, call_id: str, session_id: str) -> bool:
        """Ask a session of any process to leave; False if none lives by that name on that call. Raises HeldElsewhere
        where that is not this process's to do."""
        ...

    async def info(self, call_id: str, session_id: str) -> SessionInfo | None:
        """A living session of any process."""
        ...

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        """What the edge of a living session of any process answers to its offer; "" when it has not in that time, None
        when there is no such session, at once when it ends meanwhile."""
        ...

    async def list(self, call_id: str | None = None) -> list[SessionInfo]:
        """Sessions of all processes, ended ones too for as long as they are kept, newest first."""
        ...
