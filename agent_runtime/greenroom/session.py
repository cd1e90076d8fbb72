"""A session as the code that started it holds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from greenroom.hosted import HostedAgent


@dataclass(slots=True, eq=False)
class AgentSession:
    """One agent on one call in this process. `started_at` is an aware UTC datetime; `task` runs `join_call`."""

    agent: HostedAgent
    call_id: str
    started_at: datetime
    task: asyncio.Task[None]

    @property
    def id(self) -> str:
        return self.agent.id

    @property
    def finished(self) -> bool:
        return self.task.done()

    async def wait(self) -> None:
        """Returns when `join_call` has; raises what it raised, CancelledError if the session was closed.

        Ending the wait does not end the session.
        """
        await asyncio.shield(self.task)

    def on_call_for(self) -> float:
        """Seconds in the call; 0.0 before its join is complete and after it."""
        return self.agent.on_call_for()

    def idle_for(self) -> float:
        """Seconds the agent has been alone in the call."""
        return self.agent.idle_for()
