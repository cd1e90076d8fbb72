"""An AgentRuntime is deleted with all three programs on virtual time: its calls end by themselves, and it goes last."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.apiserver import Faults
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.bad_day import BadDay
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import events_of, live_pods

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import AlreadyExists, NotFound
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.kube.transport import TransportError
from greenroom_core.model import names
from greenroom_core.model.meta import find
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom_core.kube.transport import Answer, Request
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession
    from greenroom_operator.program import Operator


async def runtime_of(here: Stage) -> AgentRuntime | None:
    try:
        return await here.client.get(RUNTIMES, NAMESPACE, "default")
    except NotFound:
        return None


def free_slots(operator: Operator) -> float:
    """As `/metrics` tells it."""
    operator.measure()
    labels = {"namespace": NAMESPACE, "runtime": "default"}
    found = operator.metrics.registry.get_sample_value("greenroom_fleet_free_slots", labels)
    assert found is not None
    return found


async def delete_runtime(here: Stage) -> None:
    await here.client.delete(RUNTIMES, NAMESPACE, "default")


async def until_runtime_gone(here: Stage, seconds: float = 60.0) -> None:
    """It goes after its last pod, never before."""
    async with here.clock.timeout(seconds):
        while True:
            pods = (await here.client.list(PODS, Selection(NAMESPACE))).items
            if await runtime_of(here) is None:
                assert not (await here.client.list(PODS, Selection(NAMESPACE))).items
                return
            here.check()
            await here.clock.sleep(0.05 if pods else 0.01)


async def with_a_call(here: Stage, **spec: Any) -> str:
    """The pod that holds the session `live`; every pod is ready."""
    await here.create_runtime(**{"replicas": 2, "sessionsPerPod": 2, **spec})
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
    await here.create_session("live")
    return (await here.until("live", lambda s: s.status.joined_at is not None)).status.pod_name or ""


def test_the_finalizer_is_there_before_the_first_pod() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=1)
            while not await live_pods(here):
                await here.clock.sleep(0.001)
            runtime = await runtime_of(here)
            assert runtime is not None
            assert runtime.metadata.finalizers == (names.DRAIN,)

    run_virtual(story())


def test_a_fleet_without_pods_is_not_kept() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=0)
            await here.clock.sleep(30)
            await delete_runtime(here)
            assert await runtime_of(here) is None

    run_virtual(story())


def test_the_call_lives_its_pod_goes_after_its_end_and_the_object_last() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            pod = await with_a_call(here)
            assert free_slots(operator) == 3
            await delete_runtime(here)
            async with here.clock.timeout(10):
                while await live_pods(here) != [pod]:
                    await here.clock.sleep(0.05)
            assert free_slots(operator) == 0, "the other slot of the pod is for nobody"
            await here.create_session("late", call="c2", limits={"startDeadlineSeconds": 30})
            ended = await here.until("late", lambda s: s.ended)
            assert (ended.status.reason, ended.status.attempt) == (EndReason.START_DEADLINE, 0)
            assert "is being deleted" in (ended.status.message or "")
            told = {event.reason for event in await events_of(here)}
            assert told >= {"RuntimeDeleting", "Deleting"}
            await here.clock.sleep(2400)
            live = await here.get("live")
            assert (live.status.phase, live.status.attempt, live.status.pod_name) == (Phase.RUNNING, 1, pod)
            kept = await runtime_of(here)
            assert kept is not None
            shown = find(kept.status.conditions, "Progressing")
            assert shown is not None
            assert (shown.reason, shown.message.split(": ")[-1]) == ("Deleting", "1 session to go")
            await here.close("live")
            over = await here.until("live", lambda s: s.ended)
            assert over.status.reason is EndReason.CLOSE_REQUESTED
            await until_runtime_gone(here, seconds=20)

    run_virtual(story())


def test_sessions_that_wait_say_at_once_that_it_is_being_deleted() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await with_a_call(here, sessionsPerPod=1)
            await here.create_session("second", call="c2")
            await here.until("second", lambda s: s.status.joined_at is not None)
            await here.create_session("waits", call="c3", limits={"startDeadlineSeconds": 600})

            def why(session: AgentSession) -> str:
                shown = find(session.status.conditions, "Scheduled")
                return shown.reason if shown is not None else ""

            await here.until("waits", lambda s: why(s) == "NoFreeSlot")
            await delete_runtime(here)
            await here.until("waits", lambda s: why(s) == "RuntimeDeleting", seconds=3)
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            await here.clock.sleep(30)
            assert (await here.get("waits")).status.attempt == 0, "a slot that gets free is not for it"

    run_virtual(story())


@pytest.mark.parametrize("killed_after", [0.0, 0.02, 0.5, 10.0])
def test_a_leader_killed_in_the_middle_leaves_the_rest_to_the_next(killed_after: float) -> None:
    async def story() -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            pod = await with_a_call(here)
            await delete_runtime(here)
            await here.clock.sleep(killed_after)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            here.start_operator("second")
            await here.clock.sleep(60)
            assert await live_pods(here) == [pod]
            assert (await here.get("live")).status.phase is Phase.RUNNING
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            await until_runtime_gone(here)

    run_virtual(story())


def test_the_next_leader_lets_go_what_the_last_one_did_not() -> None:
    """Killed when the last pod was gone and the finalizer still stood."""

    async def story() -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            await with_a_call(here)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await delete_runtime(here)
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            for pod in await live_pods(here):
                await here.client.delete(PODS, NAMESPACE, pod)
            async with here.clock.timeout(120):
                while (await here.client.list(PODS, Selection(NAMESPACE))).items:
                    await here.clock.sleep(0.1)
            assert await runtime_of(here) is not None
            here.start_operator("second")
            await until_runtime_gone(here)

    run_virtual(story())


def test_another_of_its_name_is_refused_until_it_is_gone_and_then_starts_afresh() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            pod = await with_a_call(here)
            await delete_runtime(here)
            with pytest.raises(AlreadyExists):
                await here.create_runtime(replicas=1)
            assert (await here.get("live")).status.pod_name == pod
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            await until_runtime_gone(here)
            await here.create_runtime(replicas=1)
            await here.create_session("again", call="c9")
            again = await here.until("again", lambda s: s.status.joined_at is not None)
            assert again.status.pod_name != pod

    run_virtual(story())


class Crowded(Faults):
    """Others write the AgentRuntime all the time, and every second answer to a write of it gets lost."""

    def __init__(self) -> None:
        self.refused = 0
        self.lost = 0
        self._turn = 0

    async def before(self, request: Request) -> Answer | None:
        if request.method == "PATCH" and request.path.endswith("/agentruntimes/default"):
            self._turn += 1
            if self._turn % 3 == 1:
                self.refused += 1
                raise TransportError("connection refused", sent=True)
        return None

    async def after(self, request: Request, answer: Answer) -> Answer:
        if request.method == "PATCH" and request.path.endswith("/agentruntimes/default") and self._turn % 3 == 2:
            self.lost += 1
            raise TransportError("connection reset by peer")
        return answer


def test_lost_answers_and_changes_by_others_only_delay_it() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            faults = Crowded()
            here.transports[-1].faults = faults

            async def crowd() -> None:
                number = 0
                while True:
                    number += 1
                    patch = {"metadata": {"annotations": {"seen": str(number)}}}
                    with suppress(NotFound):
                        await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", patch)
                    await here.clock.sleep(0.3)

            here.start(crowd(), "crowd")
            await with_a_call(here)
            await delete_runtime(here)
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            await until_runtime_gone(here)
            assert faults.refused
            assert faults.lost

    run_virtual(story())


def test_without_an_operator_the_finalizer_comes_off_by_hand_and_the_next_clears_up() -> None:
    async def story() -> None:
        async with stage() as here:
            _, first = here.start_operator("first")
            pod = await with_a_call(here)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await delete_runtime(here)
            await here.clock.sleep(300)
            assert await runtime_of(here) is not None
            await here.client.merge_patch(RUNTIMES, NAMESPACE, "default", {"metadata": {"finalizers": None}})
            assert await runtime_of(here) is None
            here.start_operator("second")
            async with here.clock.timeout(60):
                while await live_pods(here) != [pod]:
                    await here.clock.sleep(0.1)
            assert (await here.get("live")).status.phase is Phase.RUNNING
            await here.close("live")
            async with here.clock.timeout(120):
                while await live_pods(here):
                    await here.clock.sleep(0.1)

    run_virtual(story())


@pytest.mark.parametrize("seed", range(12))
def test_on_a_bad_day_it_is_drained_all_the_same(seed: int) -> None:
    """Faults on every connection, and leaders that are killed at any moment of it."""

    async def story() -> None:
        async with stage() as here:
            random = Random(seed)
            faults = BadDay(here, Random(seed + 1))
            here.pod_faults = faults
            _, leader = here.start_operator("operator-0")
            here.transports[-1].faults = faults
            pod = await with_a_call(here)
            await delete_runtime(here)
            for number in range(1, 5):
                await here.clock.sleep(random.choice([0.05, 0.4, 3.0, 20.0]))
                leader.cancel()
                await asyncio.gather(leader, return_exceptions=True)
                _, leader = here.start_operator(f"operator-{number}")
                here.transports[-1].faults = faults
            await here.clock.sleep(30)
            live = await here.get("live")
            assert (live.status.phase, live.status.attempt, live.status.pod_name) == (Phase.RUNNING, 1, pod)
            assert await runtime_of(here) is not None
            await here.close("live")
            await here.until("live", lambda s: s.ended)
            await until_runtime_gone(here, seconds=400)

    run_virtual(story())


def test_a_pod_that_has_ended_is_cleared_away_too() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            pod = await with_a_call(here, replicas=2)
            idle = next(name for name in await live_pods(here) if name != pod)
            await here.kill_pod(idle)
            await here.when(lambda: len(here.pods) == 3)
            names_left = {item.metadata.name for item in (await here.client.list(PODS, Selection(NAMESPACE))).items}
            assert idle in names_left, "kept for its log while the fleet is there"
            await delete_runtime(here)
            await here.close("live")
            await until_runtime_gone(here)

    run_virtual(story())
