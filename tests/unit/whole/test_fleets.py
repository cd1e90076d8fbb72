"""Fleets that look after themselves, with all three programs on virtual time: they grow, shrink and roll over."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakes.virtual_time import run_virtual
from tests.unit.operator.test_events import EVENTS, Event
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom_api.backend import Started, StartRequest
from greenroom_core.kube.client import Selection
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_operator.planning.fleet import IDLE_AFTER_SECONDS, PROVING_SECONDS

DELAY_SECONDS = 120


def scaling(**more: Any) -> dict[str, Any]:
    return {"minPods": 0, "maxPods": 3, "bufferSessions": 0, "scaleDownDelaySeconds": DELAY_SECONDS, **more}


async def live_pods(here: Stage) -> list[str]:
    page = await here.client.list(PODS, Selection(NAMESPACE))
    return sorted(pod.metadata.name for pod in page.items if not pod.leaving and not pod.finished)


async def until_pods(here: Stage, count: int, seconds: float = 300.0) -> float:
    """How long it took until there were so many pods."""
    begun = here.clock.boot()
    async with here.clock.timeout(seconds):
        while len(await live_pods(here)) != count:
            here.check()
            await here.clock.sleep(0.1)
    return here.clock.boot() - begun


async def events_of(here: Stage) -> list[Event]:
    return list((await here.client.list(EVENTS, Selection(NAMESPACE))).items)


async def change_template(here: Stage, image: str) -> None:
    template = {"spec": {"containers": [{"name": "agent", "image": image}]}}
    await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"template": template}})


def test_from_nothing_to_as_many_pods_as_sessions_want_and_back() -> None:
    async def story() -> None:
        async with stage() as here, here.api() as api:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(), sessionsPerPod=2)
            await here.clock.sleep(60)
            assert await live_pods(here) == []
            asked_at = here.clock.boot()
            starts = [asyncio.create_task(api.start(StartRequest(call_id=f"c{n}"))) for n in range(5)]
            answers = await asyncio.gather(*starts)
            assert here.clock.boot() - asked_at < 5, "the first POST is held until a pod is there, and no longer"
            assert all(isinstance(answer, Started) for answer in answers)
            assert len(await live_pods(here)) == 3
            for answer in answers:
                assert isinstance(answer, Started)
                assert await api.request_close(answer.session.call_id, answer.session.session_id)
            took = await until_pods(here, 0)
            assert max(DELAY_SECONDS, IDLE_AFTER_SECONDS) - 1 < took < DELAY_SECONDS + 60

    run_virtual(story())


def test_more_than_its_most_is_never_made_and_those_too_many_wait() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(maxPods=2), sessionsPerPod=1)
            for number in range(4):
                await here.create_session(f"s{number}", call=f"c{number}", limits={"startDeadlineSeconds": 600})
            await until_pods(here, 2)
            await here.clock.sleep(60)
            assert len(await live_pods(here)) == 2
            phases = [(await here.get(f"s{number}")).status.phase for number in range(4)]
            assert sorted(phases) == sorted([Phase.RUNNING] * 2 + [Phase.PENDING] * 2)
            waits = [event for event in await events_of(here) if event.involved_object["kind"] == "AgentSession"]
            assert {event.reason for event in waits} == {"NoFreeSlot"}
            assert len({event.involved_object["name"] for event in waits}) >= 2

    run_virtual(story())


def test_a_buffer_of_free_slots_is_kept() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(bufferSessions=2), sessionsPerPod=2)
            await until_pods(here, 1)
            await here.create_session("s0", call="c0")
            await here.until("s0", lambda s: s.status.phase is Phase.RUNNING)
            await until_pods(here, 2, seconds=5)

    run_virtual(story())


def test_a_pod_with_a_call_outlives_the_scale_down() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=1)
            for number in range(2):
                await here.create_session(f"s{number}", call=f"c{number}")
                await here.until(f"s{number}", lambda s: s.status.joined_at is not None)
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"spec": {"replicas": 0}})
            await here.clock.sleep(600)
            assert len(await live_pods(here)) == 2
            assert [(await here.get(f"s{number}")).status.attempt for number in range(2)] == [1, 1]
            await here.close("s0")
            await until_pods(here, 1)
            await here.close("s1")
            await until_pods(here, 0)

    run_virtual(story())


def test_a_rollout_that_never_gets_ready_costs_no_start() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=2)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            before = set(await live_pods(here))
            here.node_refuses = "broken"
            await change_template(here, "broken")
            await until_pods(here, 3)
            await here.clock.sleep(120)
            assert before < set(await live_pods(here)), "none of the old has gone, one of the new is tried"
            await here.create_session("s1")
            running = await here.until("s1", lambda s: s.status.phase is Phase.RUNNING, seconds=5)
            assert running.status.pod_name in before
            await change_template(here, "agent")  # undone
            await until_pods(here, 2)
            assert set(await live_pods(here)) == before

    run_virtual(story())


def test_a_rollout_whose_sessions_fail_stops_and_older_pods_serve() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=4)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            before = set(await live_pods(here))
            here.failing_image = "failing"
            await change_template(here, "failing")
            await until_pods(here, 3)
            await here.clock.sleep(150)
            assert before & set(await live_pods(here)), "one of the old stays until the new revision has proven itself"
            reasons = []
            for number in range(7):
                await here.create_session(f"s{number}", call=f"c{number}")
                seen = await here.until(f"s{number}", lambda s: s.ended or s.status.phase is Phase.RUNNING)
                reasons.append(seen.status.reason)
            assert reasons == [EndReason.AGENT_ERROR] * 3 + [None] * 4
            assert (await here.get("s3")).status.pod_name in before
            await here.clock.sleep(10)
            runtime = await here.client.get(RUNTIMES, NAMESPACE, "default")
            (found,) = [one for one in runtime.status.conditions if one.type == "Progressing"]
            assert (found.status.value, found.reason) == ("False", "SessionsFailing")
            assert "no model of that name" in found.message
            assert "the rollout has stopped" in found.message
            told = {(event.involved_object["kind"], event.reason) for event in await events_of(here)}
            assert told >= {("AgentRuntime", "RollingOut"), ("AgentRuntime", "SessionsFailing")}

    run_virtual(story())


def test_an_idle_fleet_rolls_over_though_no_session_comes() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            before = set(await live_pods(here))
            await change_template(here, "agent:2")
            took = await until_pods(here, 3) + await until_pods(here, 2, seconds=PROVING_SECONDS + 60)
            assert not before & set(await live_pods(here))
            assert took > PROVING_SECONDS - 1

    run_virtual(story())


def test_a_cordoned_pod_finishes_its_call_and_makes_way() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=1)
            await here.create_session("stays", call="c1")
            held = await here.until("stays", lambda s: s.status.joined_at is not None)
            pod = held.status.pod_name or ""
            await here.client.merge_patch(PODS, NAMESPACE, pod, annotation_patch({names.CORDONED: "yes"}))
            await until_pods(here, 2)
            await here.create_session("later", call="c2")
            later = await here.until("later", lambda s: s.status.joined_at is not None)
            assert later.status.pod_name != pod
            await here.clock.sleep(200)
            assert (await here.get("stays")).status.phase is Phase.RUNNING
            await here.close("stays")
            await until_pods(here, 1)
            assert await live_pods(here) == [later.status.pod_name]

    run_virtual(story())
