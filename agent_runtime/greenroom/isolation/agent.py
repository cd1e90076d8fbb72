"""A session's agent as the launcher sees it: the real one is in the session's process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.latest import Latest
from greenroom.observability.metrics import AgentMetrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom.isolation.wire import State
    from greenroom.observability.metrics import Weighted
    from greenroom_core.clock import Clock


class ReportedAgent:
    """A HostedAgent made of reports; `metrics` are as of the last one, at most a second ago.

    `closing` ends the session and returns when it has ended.
    """

    def __init__(self, agent_id: str, clock: Clock, closing: Callable[[], Awaitable[None]]) -> None:
        self.id = agent_id
        self._figures: Weighted = {}
        self._clock = clock
        self._closing = closing
        self._idle_for = 0.0
        self._on_call_for = 0.0
        self._reported_at = 0.0
        self._answer = Latest()

    @property
    def metrics(self) -> AgentMetrics:
        return AgentMetrics.from_dict(self._figures)

    def take(self, state: State) -> None:
        self._idle_for = state.idle_for
        self._on_call_for = state.on_call_for
        self._reported_at = self._clock.boot()
        if state.figures is not None:
            self._figures = state.figures

    def take_answer(self, answer: str) -> None:
        self._answer.tell(answer)

    def has_left(self) -> None:
        self._idle_for = self._on_call_for = 0.0

    def idle_for(self) -> float:
        """Seconds alone in the call, the time since the report added; 0.0 for one that is not alone."""
        return self._since(self._idle_for)

    def on_call_for(self) -> float:
        """Seconds since the join was complete; 0.0 before and after."""
        return self._since(self._on_call_for)

    def on_answer(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with what the edge answers to an offer: once, at once if it has."""
        self._answer.hear(tell)

    async def close(self) -> None:
        await self._closing()

    def _since(self, reported: float) -> float:
        return reported + self._clock.boot() - self._reported_at if reported > 0 else 0.0
