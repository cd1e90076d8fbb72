"""The agents of a day: each does what its session's parameter `act` says, and all are counted.

What the API server shows is the recording's to judge; here is what it cannot show: that an agent is there at all, that
there are two of one session, that a pod has more of them than slots.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.unit.runtime.agents import OwnAgent

from greenroom_core import session_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.programs import PodProgram


@dataclass(eq=False, slots=True)
class Performance:
    """One agent of one session, from when it is built until it has left."""

    session: str
    pod: PodProgram
    leaving: bool = False


class Actors:
    """`excused(pod uid)`: something was done to the pod by which a second copy may come to be elsewhere."""

    def __init__(self, excused: Callable[[str], bool]) -> None:
        self.broken: list[str] = []
        self.on_stage: dict[Performance, None] = {}
        self._excused = excused

    def troupe(self, pod: PodProgram) -> Troupe:
        return Troupe(self, pod)

    def enter(self, performance: Performance) -> None:
        pod = performance.pod
        for other in self.on_stage:
            if other.session == performance.session and not other.leaving and not self._excused(other.pod.uid):
                where = f"pods {other.pod.pod_name} and {pod.pod_name}"
                self.broken.append(f"I2 copies: {performance.session} has two agents, in {where}")
        self.on_stage[performance] = None
        if sum(other.pod is pod for other in self.on_stage) > pod.slots:
            self.broken.append(f"I1 slots: pod {pod.pod_name} has more agents than its {pod.slots} slots")

    def leave(self, performance: Performance) -> None:
        self.on_stage.pop(performance, None)

    def lose(self, pod: PodProgram) -> None:
        """Its process is gone, and they with it."""
        for performance in [each for each in self.on_stage if each.pod is pod]:
            del self.on_stage[performance]


class Troupe:
    """The agent file of one pod."""

    def __init__(self, actors: Actors, pod: PodProgram) -> None:
        self._actors = actors
        self._pod = pod

    async def create_agent(self, act: Mapping[str, Any] | None = None) -> Actor:
        act = act or {}
        if seconds := act.get("build"):
            await self._pod.clock.sleep(seconds)
        if act.get("fails") == "build":
            raise RuntimeError("no voice of that name")
        ids = session_context.current()
        return Actor(self._pod, act, self._actors, ids.session if ids is not None else None)

    async def join_call(self, agent: Actor, call_type: str, call_id: str) -> None:
        agent.join()
        await agent.perform()


class Actor(OwnAgent):
    """`session` is None for the one that warms the process up."""

    def __init__(self, pod: PodProgram, act: Mapping[str, Any], actors: Actors, session: str | None) -> None:
        super().__init__(pod.clock)
        self._act = act
        self._actors = actors
        self._performance = Performance(session, pod) if session is not None else None
        if self._performance is not None:
            actors.enter(self._performance)

    async def perform(self) -> None:
        if self._act.get("fails") == "call":
            raise RuntimeError("the call is not to be had")
        if (seconds := self._act.get("talk")) is None:
            await asyncio.Event().wait()
        else:
            await self._clock.sleep(seconds)

    async def close(self) -> None:
        if self._performance is not None:
            self._performance.leaving = True
        self.close_seconds = self._act.get("leave", 0.0)
        await super().close()
        if self._performance is not None:
            self._actors.leave(self._performance)
