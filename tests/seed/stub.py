"""`create_agent` and `join_call` for the blocks that take them for granted, and what became of their agents."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

from greenroom import AgentMetrics


class StubAgent:
    """All that a launcher asks of an agent."""

    def __init__(self) -> None:
        self._id = str(uuid.uuid4())
        self.metrics = AgentMetrics()
        self.closed = False

    @property
    def id(self) -> str:
        return self._id

    def idle_for(self) -> float:
        return 0.0

    def on_call_for(self) -> float:
        return 1.0

    async def close(self) -> None:
        self.closed = True


@dataclass
class Stub:
    """`joined` holds the calls as they were joined, `(call_type, call_id)`."""

    agents: list[StubAgent] = field(default_factory=list)
    joined: list[tuple[str, str]] = field(default_factory=list)

    async def create_agent(self, **kwargs: Any) -> StubAgent:
        self.agents.append(StubAgent())
        return self.agents[-1]

    async def join_call(self, agent: StubAgent, call_type: str, call_id: str, **kwargs: Any) -> None:
        self.joined.append((call_type, call_id))
        await asyncio.Event().wait()

    @property
    def given(self) -> dict[str, Any]:
        return {"create_agent": self.create_agent, "join_call": self.join_call}
