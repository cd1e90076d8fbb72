"""How a fleet grows and shrinks, with all three programs on virtual time: what a user of autoscaling counts on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.fakes.apiserver import Faults
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import live_pods, scaling, until_pods
from tests.unit.whole.test_nodes import add_node, cordon

from greenroom_api.app import create_app
from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom_api.backend import SessionBackend
    from greenroom_core.kube.transport import Answer, Request
    from greenroom_core.model.session import AgentSession

PATIENT = {"startDeadlineSeconds": 3600}


class Creations(Faults):
    """Lets each creation of a pod take a while, and counts those under way."""

    def __init__(self, here: Stage) -> None:
        self.most = self.made = self._now = 0
        self._clock = here.clock

    async def before(self, request: Request) -> Answer | None:
        if request.method == "POST" and request.path.endswith("/pods") and not request.query:
            self._now += 1
            self.made += 1
            self.most = max(self.most, self._now)
            await self._clock.sleep(0.2)
            self._now -= 1
        return None


def http(here: Stage, backend: SessionBackend) -> httpx.AsyncClient:
    app = create_app(backend, clock=here.clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=None)


def runs(session: AgentSession) -> bool:
    return session.status.phase is Phase.RUNNING


async def running_sessions(here: Stage, count: int, **spec: Any) -> None:
    for number in range(count):
        await here.create_session(f"s{number}", call=f"c{number}", limits=PATIENT, **spec)
    for number in range(count):
        await here.until(f"s{number}", runs)


@pytest.mark.parametrize(("starts_after", "status"), [(25, 201), (90, 503)])
def test_from_nothing_the_first_post_is_held_until_a_pod_is_ready_or_its_deadline(
    starts_after: float, status: int
) -> None:
    async def story() -> None:
        async with stage() as here, here.api() as backend, http(here, backend) as client:
            await add_node(here, "busy")
            await cordon(here, "busy")
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling())
            await here.clock.sleep(30)
            asked_at = here.clock.boot()
            post = asyncio.create_task(client.post("/calls/first/sessions"))
            await here.clock.sleep(starts_after)
            assert post.done() is (status == 503)
            await cordon(here, "busy", closed=False)
            answer = await post
            assert answer.status_code == status
            assert ("retry-after" in answer.headers) is (status == 503)
            took = here.clock.boot() - asked_at
            assert took < starts_after + 2, "as soon as there is a pod"
            if status == 503:
                await here.when(lambda: not here.server.objects("agentsessions"))
                assert not here.agents.agents, "no agent was started"

    run_virtual(story())


def test_pods_are_made_ten_at_a_time_as_many_as_wait() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            here.transports[-1].faults = creations = Creations(here)
            await here.create_runtime(replicas=None, autoscaling=scaling(maxPods=100), sessionsPerPod=1)
            await running_sessions(here, 35)
            assert (creations.most, creations.made) == (10, 35)

    run_virtual(story())


def test_a_load_that_comes_and_goes_makes_no_pod_come_and_go() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            here.transports[-1].faults = creations = Creations(here)
            await here.create_runtime(replicas=None, autoscaling=scaling(maxPods=9), sessionsPerPod=1)
            for wave in range(10):
                names = [f"w{wave}-{number}" for number in range(3)]
                for name in names:
                    await here.create_session(name, call=name)
                for name in names:
                    await here.until(name, runs)
                await here.clock.sleep(20)
                for name in names:
                    await here.close(name)
                await here.clock.sleep(60)
                assert len(await live_pods(here)) == 3
            assert creations.made == 3
            await until_pods(here, 0)

    run_virtual(story())


@pytest.mark.parametrize("offset", [-0.3, -0.12, -0.11, -0.1, -0.06, -0.02, 0.0, 0.02, 0.3])
def test_a_session_that_comes_while_its_pod_is_being_given_back_runs_all_the_same(offset: float) -> None:
    async def gives_back_after() -> float:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling())
            await running_sessions(here, 1)
            await here.close("s0")
            return await until_pods(here, 0)

    async def story(after: float) -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling())
            await running_sessions(here, 1)
            await here.close("s0")
            await here.clock.sleep(after + offset)
            await here.create_session("late", call="late")
            late = await here.until("late", runs, seconds=30)
            await here.clock.sleep(600)
            assert (late.status.attempt, (await here.get("late")).status.phase) == (1, Phase.RUNNING)

    run_virtual(story(run_virtual(gives_back_after())))


@pytest.mark.parametrize("placement", ["Packed", "Spread"])
def test_a_fleet_shrinks_though_calls_never_cease_and_cuts_none(placement: str) -> None:
    """From the emptiest pods: new sessions keep away from them, with Spread, too."""

    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            scale = scaling(scaleDownDelaySeconds=60)
            await here.create_runtime(replicas=None, autoscaling=scale, sessionsPerPod=4, placement=placement)
            await running_sessions(here, 9)
            await until_pods(here, 3)
            for number in range(6):
                await here.close(f"s{number}")
            live = ["s6", "s7", "s8"]
            for number in range(30):
                await here.clock.sleep(20)
                await here.create_session(f"n{number}", call=f"n{number}")
                await here.until(f"n{number}", runs, seconds=2)
                await here.close(live[0])
                ended = await here.until(live[0], lambda s: s.ended)
                assert (ended.status.reason, ended.status.attempt) == (EndReason.CLOSE_REQUESTED, 1)
                live = [*live[1:], f"n{number}"]
            assert len(await live_pods(here)) == 1

    run_virtual(story())


def test_maxpods_of_zero_makes_none_and_says_so() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(maxPods=0, bufferSessions=5))
            await here.create_session("s1")
            ended = await here.until("s1", lambda s: s.ended)
            assert "its maxPods is 0" in (ended.status.message or "")
            assert await live_pods(here) == []
            patch = {"spec": {"autoscaling": {"maxPods": 1}}}
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", patch)
            await here.create_session("s2")
            await here.until("s2", runs, seconds=5)

    run_virtual(story())


def test_a_lower_maximum_ends_no_call() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(), sessionsPerPod=1)
            await running_sessions(here, 3)
            patch = {"spec": {"autoscaling": {"maxPods": 1}}}
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", patch)
            await here.clock.sleep(600)
            assert len(await live_pods(here)) == 3
            assert [(await here.get(f"s{number}")).status.attempt for number in range(3)] == [1, 1, 1]
            await here.close("s1")
            await until_pods(here, 2)
            assert not (await here.get("s0")).ended

    run_virtual(story())
