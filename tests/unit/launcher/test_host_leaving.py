"""At the start of a drain the agents of one process are told, too; and how it sounds to who subscribes."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.fakes.voice_stage import Stage
from tests.unit.launcher.test_goodbye import host
from tests.unit.runtime.agents import OwnAgent
from tests.unit.runtime.stories import story

from greenroom import AgentLauncher
from greenroom.agent.events import AgentTurnEndedEvent, HostLeavingEvent
from greenroom.notices import Assignment
from greenroom_core.model.reasons import EndReason


class Told(OwnAgent):
    def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
        self.told = (seconds_left, moves)


@story
@pytest.mark.parametrize(("timeout", "told"), [(30.0, (30.0, False)), (None, (None, False))])
async def test_a_launcher_that_drains_tells_its_agents(timeout: float | None, told: tuple[float | None, bool]) -> None:
    _, file = host()
    file.make = Told
    over = asyncio.Event()

    async def call(agent: Told) -> None:
        agent.join()
        await over.wait()

    file.call = call
    async with AgentLauncher(file.create_agent, file.join_call, clock=file.clock) as launcher:
        await launcher.start_session("one")
        draining = asyncio.create_task(launcher.drain(timeout))
        await asyncio.sleep(1)
        assert file.agents[-1].told == told
        over.set()
        assert await draining, "it wound up by itself"


@story
async def test_one_that_stops_tells_nobody() -> None:
    _, file = host()
    file.make = Told
    async with AgentLauncher(file.create_agent, file.join_call, clock=file.clock) as launcher:
        await launcher.start_session("one")
    assert not hasattr(file.agents[-1], "told")


@story
async def test_a_goodbye_knows_whether_another_agent_goes_on() -> None:
    here, file = host()
    here.life.assignment = Assignment("s1", "one", moves=True)
    ended = await here.run_and_leave_after(5, EndReason.DRAINED)
    assert (ended.reason, file.agents[0].said) == (EndReason.DRAINED, "Returned")


def test_a_subscriber_may_speak_of_it_in_the_call() -> None:
    stage = Stage()

    @stage.agent.subscribe
    async def wind_up(event: HostLeavingEvent) -> None:
        await stage.agent.say(f"I can stay for {event.seconds_left:.0f} seconds.")

    async def scene() -> None:
        async with stage.on_call():
            stage.agent.host_leaves(90.0, False)
            async with asyncio.timeout(60):
                while not stage.seen(AgentTurnEndedEvent):
                    await asyncio.sleep(0.1)
        assert stage.seen(HostLeavingEvent) == [HostLeavingEvent(90.0, False)]
        assert stage.seen(AgentTurnEndedEvent) == [AgentTurnEndedEvent("I can stay for 90 seconds.", interrupted=False)]

    run_virtual(scene())


def test_one_that_is_told_before_its_call_hears_of_it_in_there() -> None:
    stage = Stage()

    async def scene() -> None:
        stage.agent.host_leaves(None, True)
        async with stage.on_call(), asyncio.timeout(60):
            while not stage.seen(HostLeavingEvent):
                await asyncio.sleep(0.1)
        assert stage.seen(HostLeavingEvent) == [HostLeavingEvent(None, True)]

    run_virtual(scene())
