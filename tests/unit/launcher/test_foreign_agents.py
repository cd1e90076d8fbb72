"""What agents of Vision Agents need of their host beyond the common surface."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import VirtualClock
from tests.unit.launcher.test_limits import launcher_of
from tests.unit.runtime.agents import AgentFile, ForeignAgent
from tests.unit.runtime.stories import story


@story
async def test_a_session_is_over_when_a_close_under_way_is():
    class Closing(ForeignAgent):
        """Its call ended: it closes itself in the background, and answers a second close at once."""

        closed = False

        async def close(self) -> None:
            self.closes += 1

        async def background(self) -> None:
            await asyncio.sleep(3)
            self.closed = True

    async def call(agent: Closing) -> None:
        agent.join()
        tasks.append(asyncio.create_task(agent.background()))

    tasks: list[asyncio.Task[None]] = []
    file = AgentFile(VirtualClock(), make=Closing, call=call)
    launcher = launcher_of(file)
    await launcher.start_session("one")
    begun = file.clock.boot()
    assert await launcher.drain(60)
    assert file.clock.boot() - begun == pytest.approx(3, abs=0.1)
    assert file.agents[0].closed
