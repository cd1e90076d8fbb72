"""Many sessions on a bad day: every request may fail in every way, watches break, and still each session ends well."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.fakes.apiserver import Faults
from tests.fakes.apiserver.faults import refusal
from tests.unit.runtime.agents import OwnAgent
from tests.unit.runtime.cluster import Cluster, cluster
from tests.unit.runtime.stories import story

from greenroom_core.kube.client import Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.transport import TransportError

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request
    from greenroom_core.model.session import AgentSession

SESSIONS_COUNT = 40
SLOTS = 4


class BadDay(Faults):
    """While `bad`, three requests in ten go wrong."""

    def __init__(self, here: Cluster, random: Random) -> None:
        self.bad = True
        self._here = here
        self._random = random

    async def before(self, request: Request) -> Answer | None:
        if not self.bad:
            return None
        match self._random.randrange(30):
            case 0:
                raise TransportError("connection refused", sent=False)
            case 1:
                raise TransportError("connection reset by peer")
            case 2 | 3:
                return refusal(
                    *self._random.choice([(409, "Conflict"), (422, "Invalid"), (500, ""), (403, "Forbidden")])
                )
            case 4:
                await self._here.clock.sleep(self._random.uniform(0, 40))
            case 5 | 6:
                await self._here.clock.sleep(self._random.uniform(0, 2))
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        if self.bad and self._random.randrange(30) < 2:
            raise TransportError("connection reset by peer")
        return answer


class Operator:
    """Binds what is pending as long as the objects say that there is a free slot, and records every step."""

    def __init__(self, here: Cluster) -> None:
        self.phases: dict[str, list[str]] = {}
        self._here = here
        self._attempts: dict[str, int] = {}
        self._woken = asyncio.Event()
        self.feed: Feed[AgentSession] = Feed(here.client, SESSIONS, Selection("default"), self._on_change)

    def _on_change(self, change: Change[AgentSession]) -> None:
        if change.new is not None:
            history = self.phases.setdefault(change.new.metadata.name, [])
            if not history or history[-1] != change.new.status.phase:
                history.append(change.new.status.phase.value)
        self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            for session in list(self.feed.store):
                name, free = session.metadata.name, SLOTS - sum(item.bound for item in self.feed.store)
                if session.status.phase == "Pending" and free > 0:
                    self._attempts[name] = self._attempts.get(name, 0) + 1
                    await self._here.bind(name, attempt=self._attempts[name])
                    self.feed.learn(await self._here.get(name))


@pytest.mark.parametrize("seed", range(6))
@story
async def test_each_session_ends_well_on_a_bad_day(seed):
    random = Random(seed)
    held: list[int] = []

    async def call(agent: OwnAgent) -> None:
        held.append(here.pod.sessions)
        await asyncio.sleep(random.uniform(0, 3))
        agent.join()
        await asyncio.sleep(random.choice([0, 1, 20, 60]))

    async with cluster(slots=SLOTS) as here:
        here.file.call = call
        here.transport.faults = day = BadDay(here, random)
        operator = Operator(here)
        background = [asyncio.create_task(operator.feed.run()), asyncio.create_task(operator.run())]
        names = [f"s{number}" for number in range(SESSIONS_COUNT)]
        for name in names:
            await here.create(name)
        for name in random.sample(names, 10):
            await asyncio.sleep(random.uniform(0, 10))
            if random.random() < 0.5:
                here.transport.cut_watches()
            await here.annotate(name, close_requested="yes")
        await asyncio.sleep(300)
        day.bad = False
        for name in names:
            await here.ended(name, seconds=3_000)
        await asyncio.sleep(100)
        for task in background:
            task.cancel()
        await asyncio.wait(background)
        bodies = {item["metadata"]["name"]: item["status"] for item in here.server.objects("agentsessions")}
        assert {(body["phase"], body["reason"]) for body in bodies.values()} <= {
            ("Closed", "Finished"),
            ("Closed", "CloseRequested"),
        }
        assert all(history[-1] == "Closed" and history.count("Closed") == 1 for history in operator.phases.values())
        assert max(held) <= SLOTS
        assert [agent.closes for agent in here.file.agents] == [1] * len(here.file.agents)
        assert here.pod.sessions == 0
        assert b'reason="Lost"' not in here.pod.figures.text()
