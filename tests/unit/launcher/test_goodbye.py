"""An agent may say that it has to go, where its host ends the call: heard out, within limits, and never in the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual
from tests.fakes.voice_stage import Stage
from tests.unit.launcher.test_life import Host
from tests.unit.runtime.agents import AgentFile, ForeignAgent
from tests.unit.runtime.stories import story

from greenroom.agent.events import AgentTurnEndedEvent
from greenroom.limits import TimeLimits
from greenroom_core.model.reasons import EndReason


class Polite(ForeignAgent):
    """Takes its time to say that it has to go."""

    def __init__(self, clock: VirtualClock, seconds: float = 2.0, error: Exception | None = None) -> None:
        super().__init__(clock)
        self._seconds = seconds
        self._error = error
        self.said: str | None = None
        self.heard_out = False

    async def say_goodbye(self, reason: str) -> None:
        self.said = reason
        await self._clock.sleep(self._seconds)
        if self._error is not None:
            raise self._error
        self.heard_out = True


async def stays(agent: ForeignAgent) -> None:
    agent.join()
    await asyncio.Event().wait()


def host(limits: TimeLimits | None = None, **polite: Any) -> tuple[Host, AgentFile]:
    file = AgentFile(VirtualClock(), lambda clock: Polite(clock, **polite), call=stays)
    return Host(file, limits), file


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (EndReason.DRAINED, "Drained"),
        (EndReason.MAX_DURATION, "MaxDuration"),
        (EndReason.CLOSE_REQUESTED, None),
        (EndReason.DELETED, None),
        (EndReason.IDLE, None),
    ],
)
@story
async def test_it_is_said_where_the_end_comes_from_us(reason: EndReason, said: str | None) -> None:
    here, file = host()
    begun = file.clock.boot()
    ended = await here.run_and_leave_after(5, reason)
    agent = file.agents[0]
    assert (ended.reason, agent.said, agent.heard_out) == (reason, said, said is not None)
    assert file.clock.boot() - begun == pytest.approx(7 if said else 5, abs=0.1)


@story
async def test_a_goodbye_without_end_is_cut_off() -> None:
    here, file = host(seconds=1e6)
    begun = file.clock.boot()
    ended = await here.run_and_leave_after(5, EndReason.DRAINED)
    assert (ended.reason, file.agents[0].closes) == (EndReason.DRAINED, 1)
    assert file.clock.boot() - begun < 5 + 10


@story
async def test_a_goodbye_that_fails_changes_nothing() -> None:
    here, file = host(error=RuntimeError("no voice"))
    ended = await here.run_and_leave_after(5, EndReason.DRAINED)
    assert (ended.reason, ended.message, file.agents[0].closes) == (EndReason.DRAINED, "", 1)


@story
async def test_it_takes_no_more_than_half_of_the_time_that_is_left() -> None:
    here, file = host(TimeLimits(leave_timeout_seconds=3.0))
    begun = file.clock.boot()
    await here.run_and_leave_after(5, EndReason.DRAINED)
    assert file.agents[0].said == "Drained"
    assert not file.agents[0].heard_out
    assert file.clock.boot() - begun == pytest.approx(6.5, abs=0.1)


def test_an_agent_says_it_aloud_before_it_leaves() -> None:
    stage = Stage()

    @stage.agent.before_leaving
    async def goodbye(reason: str) -> None:
        await stage.agent.say(f"I have to go, since this pod is {reason.lower()}.")

    async def scene() -> None:
        async with stage.on_call():
            await stage.agent.say_goodbye("Drained")
            assert stage.seen(AgentTurnEndedEvent) == [
                AgentTurnEndedEvent("I have to go, since this pod is drained.", interrupted=False)
            ]
        await stage.agent.say_goodbye("Drained")  # too late: nothing happens

    run_virtual(scene())
