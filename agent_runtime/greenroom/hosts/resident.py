"""One session of this process, as its host keeps it: what is told of it, and the live object once there is one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from greenroom import hosted
from greenroom.latch import Latch
from greenroom.session import AgentSession
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import FAILURES

if TYPE_CHECKING:
    from greenroom.lives import Life
    from greenroom.notices import Answered, Built, Ended
    from greenroom.observability import AgentMetrics
    from greenroom.registry import SessionInfo


@dataclass(slots=True, eq=False)
class Resident:
    """`admitted`: the registry knows it, perhaps since before its agent was built. `awaited`: its starter waits for
    the agent, and records it. `over`: its agent has left. `gone` is set when its place is free, too;
    `answer_settled` when its edge has answered, or never will."""

    info: SessionInfo
    admitted: bool
    awaited: bool
    life: Life = field(init=False)
    session: AgentSession | None = None
    over: bool = False
    gone: Latch = field(default_factory=Latch)
    answer_settled: Latch = field(default_factory=Latch)

    @property
    def first_id(self) -> str:
        """The id it was given; its agent may have kept one of its own."""
        return self.life.assignment.session_id

    @property
    def ids(self) -> set[str]:
        return {self.first_id, self.info.session_id}

    def build(self, notice: Built) -> AgentSession:
        """The agent is there."""
        life = self.life
        assert life.agent is not None
        assert life.task is not None
        name, at = life.agent.id, notice.at.timestamp()
        self.info = replace(self.info, session_id=name, phase=Phase.RUNNING, started_at=at, metrics_updated_at=at)
        self.session = AgentSession(life.agent, self.info.call_id, notice.at, life.task)
        return self.session

    def take_answer(self, notice: Answered) -> None:
        self.info = replace(self.info, answer=notice.answer)
        self.answer_settled.set()

    def leave_slowly(self) -> None:
        self.info = replace(self.info, phase=Phase.CLOSING)

    def end(self, ending: Ended) -> None:
        """The agent has left, or there never was one."""
        phase = Phase.FAILED if ending.reason in FAILURES else Phase.CLOSED
        self.info = replace(
            self.info,
            phase=phase,
            reason=ending.reason,
            message=ending.message,
            ended_at=ending.at.timestamp(),
            metrics=self.metrics() or self.info.metrics,
            answer="",
        )
        self.over = True
        self.answer_settled.set()

    def metrics(self) -> AgentMetrics | None:
        """The agent's figures as they are now; None while there is no agent, or when it cannot say."""
        if self.session is None:
            return None
        return hosted.agent_metrics(self.session.agent, self.info.session_id)
