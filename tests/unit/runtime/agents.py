"""An agent of another framework, as a host may meet it: only the surface that hosting needs, and a script."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.checkpoints.form import encoded
from greenroom.latest import Latest
from greenroom.observability import AgentMetrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_core.clock import Clock

_numbers = itertools.count(1)


class ForeignAgent:
    """Joins when `join` is called, is alone when `alone` was; `closes` counts the calls of `close`."""

    def __init__(self, clock: Clock) -> None:
        self.id = f"foreign-{next(_numbers)}"
        self.metrics = AgentMetrics()
        self.closes = 0
        self.close_seconds = 0.0
        self._clock = clock
        self._joined_at: float | None = None
        self._alone_since: float | None = None

    def join(self) -> None:
        self._joined_at = self._clock.boot()

    def alone(self) -> None:
        self._alone_since = self._clock.boot()

    def accompanied(self) -> None:
        self._alone_since = None

    def idle_for(self) -> float:
        return 0.0 if self._alone_since is None else self._clock.boot() - self._alone_since

    def on_call_for(self) -> float:
        return 0.0 if self._joined_at is None or self.closes else self._clock.boot() - self._joined_at

    async def close(self) -> None:
        self.closes += 1
        if self.close_seconds:
            await self._clock.sleep(self.close_seconds)


class OwnAgent(ForeignAgent):
    """The same with what Greenroom's own agents have besides."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._settled = asyncio.Event()

    def adopt_id(self, session_id: str) -> None:
        self.id = session_id

    async def wait_joined(self) -> None:
        await self._settled.wait()
        if self._joined_at is None:
            raise RuntimeError("closed before it had joined")

    def join(self) -> None:
        super().join()
        self._settled.set()

    async def close(self) -> None:
        await super().close()
        self._settled.set()


class AnsweringAgent(OwnAgent):
    """One with an edge that answers what came with its session, when `answer` is called."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._wanted: list[Callable[[str], None]] = []

    def on_answer(self, tell: Callable[[str], None]) -> None:
        self._wanted.append(tell)

    def answer(self, text: Any) -> None:
        for tell in self._wanted:
            tell(text)


class KeepingAgent(OwnAgent):
    """One that keeps checkpoints, as Greenroom's own do."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._checkpoint = Latest()

    def checkpoint(self, state: dict[str, Any]) -> None:
        self._checkpoint.tell(encoded(state))

    def on_checkpoint(self, tell: Callable[[str], None]) -> None:
        self._checkpoint.hear(tell)


async def until_cancelled(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.Event().wait()


@dataclass
class AgentFile:
    """An agent file: its two functions, and what came of them. Tests replace the fields that they are about."""

    clock: Clock
    make: Callable[[Clock], Any] = OwnAgent
    build: Callable[[], Awaitable[None]] | None = None
    call: Callable[[Any], Awaitable[None]] = until_cancelled
    created: list[dict[str, Any]] = field(default_factory=list)
    joined: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    agents: list[Any] = field(default_factory=list)

    async def create_agent(self, **kwargs: Any) -> Any:
        self.created.append(kwargs)
        if self.build is not None:
            await self.build()
        self.agents.append(self.make(self.clock))
        return self.agents[-1]

    async def join_call(self, agent: Any, call_type: str, call_id: str, **kwargs: Any) -> None:
        self.joined.append((call_type, call_id, kwargs))
        await self.call(agent)
