"""What fleets and sessions say of themselves, and how often: Events and the AgentRuntime's status."""

from __future__ import annotations

from collections import Counter

from msgspec import structs
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import events_of, scaling

from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.runtime import RuntimeStatus


def written(here: Stage, what: str) -> int:
    return sum(count for (_, verb, seen, _), count in here.server.answered.items() if seen == what and verb != "LIST")


async def ready(here: Stage, pods: int) -> None:
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == pods)
    await here.clock.sleep(20)


def test_a_hundred_sessions_that_start_and_end_write_no_event() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=50)
            await ready(here, 2)
            before = written(here, "events")
            assert before > 0, "what became of the fleet has been told"
            for number in range(100):
                await here.create_session(f"s{number}", call=f"c{number}")
            for number in range(100):
                await here.until(f"s{number}", lambda s: s.status.phase is Phase.RUNNING)
                await here.close(f"s{number}")
            for number in range(100):
                await here.until(f"s{number}", lambda s: s.ended)
            await here.clock.sleep(120)
            assert written(here, "events") == before

    run_virtual(story())


def test_the_status_of_a_fleet_is_written_once_in_five_seconds_at_most_and_tells_the_last_word() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=1, sessionsPerPod=10)
            await ready(here, 1)
            before, begun = written(here, "agentruntimes/status"), here.clock.boot()
            for number in range(60):
                await here.create_session(f"s{number}", call=f"c{number}")
                await here.until(f"s{number}", lambda s: s.status.phase is Phase.RUNNING)
                await here.clock.sleep(0.5)
                await here.close(f"s{number}")
                await here.until(f"s{number}", lambda s: s.ended)
                await here.clock.sleep(0.5)
            took = here.clock.boot() - begun
            assert 0 < written(here, "agentruntimes/status") - before <= took / 5 + 1
            await here.clock.sleep(10)
            [runtime] = here.server.objects("agentruntimes")
            assert (runtime["status"]["sessions"], runtime["status"]["freeSlots"]) == (0, 10)
            quiet = written(here, "agentruntimes/status")
            await here.clock.sleep(600)
            assert written(here, "agentruntimes/status") == quiet

    run_virtual(story())


def test_a_runtime_that_comes_back_under_its_name_is_told_of_afresh() -> None:
    """kopf may never say that the one before is gone, if its watch missed it."""

    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            await here.create_runtime(template={"spec": {"containers": "none"}})
            await here.clock.sleep(10)
            known = await here.client.get(RUNTIMES, NAMESPACE, "default")
            assert [condition.reason for condition in known.status.conditions] == ["NoReadyPod", "TemplateInvalid"]
            before = written(here, "agentruntimes/status")
            meta = structs.replace(known.metadata, uid="another", resource_version=str(known.metadata.version + 1))
            operator.observe_runtime(structs.replace(known, metadata=meta, status=RuntimeStatus()))
            await here.clock.sleep(10)
            assert written(here, "agentruntimes/status") > before

    run_virtual(story())


def test_people_are_told_of_waits_ends_in_vain_lost_pods_and_sizes() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(maxPods=1), sessionsPerPod=1)
            await here.clock.sleep(5)
            await here.create_session("lost", call="a")
            running = await here.until("lost", lambda s: s.status.phase is Phase.RUNNING)
            await here.create_session("vain", call="b", limits={"startDeadlineSeconds": 20})
            await here.until("vain", lambda s: s.ended)
            await here.kill_pod(running.status.pod_name or "")
            ended = await here.until("lost", lambda s: s.ended)
            assert ended.status.reason is EndReason.POD_LOST
            await here.clock.sleep(10)
            told = Counter((event.involved_object["name"], event.reason) for event in await events_of(here))
            assert told[("vain", "NoFreeSlot")] == told[("vain", "StartDeadline")] == told[("lost", "PodLost")] == 1
            assert told[("default", "Scaled")] >= 1

    run_virtual(story())
