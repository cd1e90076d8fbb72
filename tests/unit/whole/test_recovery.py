"""Sessions that outlive their pods: lost once or again and again, given back at a drain; every write counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.fakes.virtual_time import run_virtual
from tests.invariants import Recorder, Tolerance, assert_holds, events
from tests.unit.runtime.agents import OwnAgent
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_three_programs import session_writes, since

from greenroom_core.kube.kinds import PODS
from greenroom_core.model.meta import find
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.recovery import RESTARTS_IN_A_ROW, pause_seconds
from greenroom_core.model.session import AgentSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAY_RUN_AGAIN = {"restartPolicy": "OnPodLoss"}
DRAIN_SECONDS = 60.0
TOLERANCE = Tolerance(quiet_seconds=1.5, longest_seconds=3.0)


@asynccontextmanager
async def recorded(**runtime: Any) -> AsyncIterator[tuple[Stage, Recorder]]:
    """An operator and two pods; in the end all that was seen is judged."""
    async with stage() as here:
        here.start_operator("first")
        recorder = Recorder(here.server.transport("recorder"), NAMESPACE, here.clock)
        here.start(recorder.run(), "recorder")
        await recorder.started.wait()
        await here.create_runtime(replicas=2, **runtime)
        await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
        here.agents.created.clear()
        yield here, recorder
        for body in recorder.sessions():
            await here.close(body["metadata"]["name"])
            await here.until(body["metadata"]["name"], lambda s: s.ended)
        # The recorder hears of it after we do.
        await here.when(lambda: all(events.ended(body) for body in recorder.sessions()))
        assert_holds(recorder.events, TOLERANCE)


async def joined(here: Stage, name: str, attempt: int) -> AgentSession:
    return await here.until(
        name, lambda s: s.ended or (s.status.attempt >= attempt and s.status.joined_at is not None), 600
    )


async def lose_pod(here: Stage, name: str, attempt: int) -> AgentSession:
    """The session as it ran there."""
    running = await joined(here, name, attempt)
    await here.kill_pod(running.status.pod_name or "")
    return running


def steps(recorder: Recorder, name: str) -> dict[tuple[str, int], tuple[float, AgentSession]]:
    """When the session was first seen in a phase of an attempt, and as what."""
    found: dict[tuple[str, int], tuple[float, AgentSession]] = {}
    for event in recorder.history(name):
        session = msgspec.convert(event.body, AgentSession)
        found.setdefault((session.status.phase.value, session.status.attempt), (event.at, session))
    return found


def test_after_a_loss_a_session_runs_again_at_once_with_what_it_was_given_for_four_writes() -> None:
    async def story() -> None:
        async with recorded() as (here, _):
            await here.create_session("s1", parameters={"topic": "weather"}, **MAY_RUN_AGAIN)
            first = await joined(here, "s1", 1)
            before, begun = session_writes(here), here.clock.boot()

            await here.kill_pod(first.status.pod_name or "")

            again = await joined(here, "s1", 2)
            assert here.clock.boot() - begun < 1
            assert again.status.pod_name != first.status.pod_name
            assert [given for given in here.agents.created if given] == [{"topic": "weather"}] * 2
            last = again.status.last_attempt
            assert last is not None
            assert (last.attempt, last.pod_name) == (1, first.status.pod_name)
            assert (last.started_at, last.joined_at) == (first.status.started_at, first.status.joined_at)
            assert (last.reason, last.message) == (WaitReason.POD_LOST, f"pod {first.status.pod_name} was lost")
            # take back, bind, Running, Joined
            assert since(here, before) == {"PATCH agentsessions/status": 4}
            await here.close("s1")
            ended = await here.until("s1", lambda s: s.ended)
            assert ended.status.last_attempt == last, "it is there to be read"

    run_virtual(story())


def test_an_agent_whose_pod_was_removed_by_force_leaves_at_its_first_contact() -> None:
    """Its process does not know yet, and another pod has the session."""

    async def story() -> None:
        async with recorded() as (here, _):
            await here.create_session("s1", **MAY_RUN_AGAIN)
            first = await joined(here, "s1", 1)
            [agent] = here.agents.agents[-1:]
            await here.client.delete(PODS, NAMESPACE, first.status.pod_name or "", grace_period_seconds=0)
            again = await joined(here, "s1", 2)
            assert again.status.pod_name != first.status.pod_name
            await here.when(lambda: agent.closes == 1, 1)
            await here.clock.sleep(300)
            assert (await here.get("s1")).status.attempt == 2
            assert here.agents.agents[-1].closes == 0

    run_virtual(story())


def test_a_session_that_takes_its_pods_down_pauses_longer_and_longer_and_ends() -> None:
    async def story() -> None:
        async with recorded(limits={"maxSessionsPerCall": 1}) as (here, recorder):
            await here.create_session("poison", **MAY_RUN_AGAIN)
            for attempt in range(1, RESTARTS_IN_A_ROW + 1):
                await lose_pod(here, "poison", attempt)
            lost = await here.until("poison", lambda s: not s.bound)
            shown = find(lost.status.conditions, "Scheduled")
            assert shown is not None
            assert (shown.reason, "6 in a row; not bound again before 20" in shown.message) == ("PodLost", True)
            await here.create_session("other")
            refused = await here.until("other", lambda s: s.ended)
            assert refused.status.reason is EndReason.MAX_SESSIONS_PER_CALL, "it counts while it pauses"
            last = await lose_pod(here, "poison", RESTARTS_IN_A_ROW + 1)
            ended = await here.until("poison", lambda s: s.ended)

            assert (ended.status.phase, ended.status.reason) == (Phase.FAILED, EndReason.POD_LOST)
            assert ended.status.message == f"pod {last.status.pod_name} was lost: 7 pods lost in a row"
            seen = steps(recorder, "poison")
            for losses in range(1, RESTARTS_IN_A_ROW + 1):
                paused = seen["Scheduled", losses + 1][0] - seen["Pending", losses][0]
                assert paused == pytest.approx(pause_seconds(losses), abs=0.2)

    run_virtual(story())


def test_a_new_leader_keeps_to_the_pause_of_the_one_before() -> None:
    async def story() -> None:
        async with stage() as here:
            _, leader = here.start_operator("first")
            await here.create_runtime(replicas=2)
            await here.create_session("s1", **MAY_RUN_AGAIN)
            for attempt in (1, 2, 3, 4):
                await lose_pod(here, "s1", attempt)
            lost = await here.until("s1", lambda s: not s.bound)
            leader.cancel()
            here.start_operator("second")
            again = await here.until("s1", lambda s: s.bound)
            assert lost.status.last_attempt is not None
            assert again.status.scheduled_at is not None
            paused = again.status.scheduled_at - lost.status.last_attempt.ended_at
            assert paused.total_seconds() == pytest.approx(pause_seconds(4), abs=0.2)

    run_virtual(story())


def test_at_the_drain_deadline_a_session_that_may_run_again_goes_on_in_another_pod_at_once() -> None:
    presence = Counter[str]()
    most = Counter[str]()

    class Present(OwnAgent):
        """There may never be two of them in one call."""

        def __init__(self, clock: Any) -> None:
            super().__init__(clock)
            self.close_seconds = 0.5

    async def call(agent: Present) -> None:
        presence["agents"] += 1
        most["agents"] = max(most["agents"], presence["agents"])
        agent.join()
        try:
            await asyncio.Event().wait()
        finally:
            presence["agents"] -= 1

    async def story() -> None:
        async with recorded() as (here, recorder):
            here.agents.make, here.agents.call = Present, call
            await here.create_session("s1", parameters={"topic": "weather"}, **MAY_RUN_AGAIN)
            first = await joined(here, "s1", 1)
            before, begun = session_writes(here), here.clock.boot()
            await here.client.delete(PODS, NAMESPACE, first.status.pod_name or "")

            again = await joined(here, "s1", 2)

            assert here.clock.boot() - begun == pytest.approx(DRAIN_SECONDS + 0.5, abs=0.3)
            assert again.status.pod_name != first.status.pod_name
            assert here.agents.created[-1] == {"topic": "weather"}
            _, back = steps(recorder, "s1")["Pending", 1]
            shown = find(back.status.conditions, "Scheduled")
            assert (shown.reason if shown is not None else None) == "Returned"
            assert again.status.last_attempt is not None
            assert (again.status.last_attempt.reason, again.status.last_attempt.losses) == (WaitReason.RETURNED, 0)
            # give back, bind, Running, Joined
            assert since(here, before) == {"PATCH agentsessions/status": 4}
            assert most == {"agents": 1}

    run_virtual(story())
