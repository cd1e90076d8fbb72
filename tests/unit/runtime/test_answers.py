"""What an edge answers to an offer, in a session's status: when it is written, in how many writes, and who may ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.fakes.apiserver.faults import writes
from tests.unit.runtime.agents import AnsweringAgent
from tests.unit.runtime.cluster import cluster
from tests.unit.runtime.own_starts import fleet, launchers
from tests.unit.runtime.stories import story

from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession

SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n"


def is_answered(session: AgentSession) -> bool:
    return session.status.answer is not None


def answering(answer_seconds: float, join_seconds: float, stay_seconds: float = 5.0):
    """A call whose edge answers so long after its agent was built; `join_seconds` and the rest follow."""

    async def call(agent: AnsweringAgent) -> None:
        await asyncio.sleep(answer_seconds)
        agent.answer(SDP)
        await asyncio.sleep(join_seconds)
        agent.join()
        await asyncio.sleep(stay_seconds)

    return call


@story
async def test_an_answer_is_one_more_write_as_soon_as_it_is_there():
    async with cluster() as here:
        here.file.make, here.file.call = AnsweringAgent, answering(0.5, 0.5)
        await here.create()
        begun = here.clock.boot()
        await here.bind()
        answered = await here.until("s1", is_answered)
        assert here.clock.boot() - begun == pytest.approx(0.5, abs=0.02)
        assert (answered.status.answer, answered.status.phase) == (SDP, Phase.RUNNING)
        assert answered.status.joined_at is None
        assert (await here.joined()).status.answer == SDP
        ended = await here.ended()
        assert ended.status.answer is None, "nobody will come by it any more"
        assert (here.writes, here.refused) == (4, 0), "Running, the answer, Joined, end"


@story
async def test_an_answer_in_the_moment_of_the_build_follows_running_at_once():
    async with cluster() as here:
        here.file.make, here.file.call = AnsweringAgent, answering(0.0, 1.0)
        await here.create()
        await here.bind()
        begun = here.clock.boot()
        answered = await here.until("s1", is_answered)
        assert here.clock.boot() - begun < 0.02
        assert answered.status.phase is Phase.RUNNING
        await here.ended()
        assert here.writes == 4


@story
async def test_what_comes_while_running_is_being_written_goes_out_together():
    async with cluster() as here:
        here.file.make, here.file.call = AnsweringAgent, answering(0.2, 0.2)
        await here.create()
        await here.bind()
        here.script.add(writes, delay_after_seconds=1.0)
        answered = await here.until("s1", is_answered)
        assert answered.status.joined_at is not None
        await here.ended()
        assert here.writes == 3, "Running, the answer with Joined, end"


@story
async def test_one_that_was_not_written_before_the_end_never_is():
    async with cluster() as here:
        here.file.make, here.file.call = AnsweringAgent, answering(0.2, 0.1, stay_seconds=0.1)
        await here.create()
        await here.bind()
        here.script.add(writes, delay_after_seconds=1.0)
        ended = await here.ended()
        assert ended.status.answer is None
        assert here.writes == 2, "Running, and all the rest"


@story
async def test_an_answer_outlasts_an_api_server_that_is_away():
    async with cluster() as here:
        here.file.make, here.file.call = AnsweringAgent, answering(5.0, 1.0, stay_seconds=100)
        await here.start()
        here.server.stop()
        await here.clock.sleep(20)
        here.server.start()
        assert (await here.until("s1", is_answered)).status.joined_at is not None


@story
async def test_an_attempt_that_finds_another_s_answer_takes_it_away_with_running():
    async with cluster() as here:
        await here.create()
        await here.patch("s1", answer="of an attempt before")
        await here.bind(attempt=2)
        running = await here.until("s1", lambda session: session.status.phase == "Running")
        assert running.status.answer is None


@story
async def test_a_session_that_runs_again_shows_the_answer_of_its_new_agent_alone():
    async with fleet(2) as here:
        here.agents.make = AnsweringAgent
        await here.create_session("s1", restartPolicy="OnPodLoss")
        first = await here.until("s1", lambda s: s.status.joined_at is not None)
        here.agents.agents[-1].answer("of the first")
        await here.until("s1", is_answered)
        shown = []

        async def watch() -> None:
            while True:
                status = (await here.get("s1")).status
                shown.append((status.attempt, status.phase, status.answer))
                await here.clock.sleep(0.005)

        watching = asyncio.create_task(watch())
        await here.kill_pod(first.status.pod_name)
        await here.until("s1", lambda s: s.status.attempt == 2 and s.status.joined_at is not None)
        here.agents.agents[-1].answer("of the second")
        await here.until("s1", is_answered)
        watching.cancel()
        held = {(phase, answer) for attempt, phase, answer in shown if (attempt, phase) != (1, Phase.RUNNING)}
        assert (Phase.RUNNING, None) in held
        assert {answer for _, answer in held} <= {None, "of the second"}


@story
async def test_a_session_that_ends_with_its_pod_keeps_no_answer():
    async with fleet(1) as here:
        here.agents.make = AnsweringAgent
        await here.create_session("s1")
        await here.until("s1", lambda s: s.status.joined_at is not None)
        here.agents.agents[-1].answer(SDP)
        await here.until("s1", is_answered)
        await here.kill_pod(next(iter(here.pods)))
        ended = await here.until("s1", lambda s: s.ended)
        assert (ended.status.reason, ended.status.answer) == ("PodLost", None)


@story
async def test_code_in_any_pod_may_wait_for_it():
    async with fleet(2) as here:
        here.agents.make = AnsweringAgent
        one, two = launchers(here)
        session = await one.start_session("c1")
        waiting = [asyncio.create_task(pod.get_session_answer("c1", session.id, 30)) for pod in (one, two)]
        await here.clock.sleep(3)
        at = here.clock.boot()
        here.agents.agents[-1].answer(SDP)
        assert await waiting[0] == SDP
        assert here.clock.boot() == at, "its own pod is told"
        assert await waiting[1] == SDP
        assert here.clock.boot() - at < 0.6
        for pod in (one, two):
            assert await pod.get_session_answer("another", session.id, 5) is None
            info = await pod.get_session_info("c1", session.id)
            assert info is not None
            assert info.answer == SDP
        mute = await one.start_session("c1")
        assert await one.get_session_answer("c1", mute.id, 1) == ""
        assert await two.get_session_answer("c1", mute.id, 1) == ""
        waiting = [asyncio.create_task(pod.get_session_answer("c1", mute.id, 30)) for pod in (one, two)]
        await here.clock.sleep(1)
        await one.close_session(mute.id, wait=True)
        at = here.clock.boot()
        assert await asyncio.gather(*waiting) == [None, None]
        assert here.clock.boot() - at < 0.6
