"""The figures of fleets on the operator's /metrics, which other autoscalers and alerts go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from tests.fakes.virtual_time import run_virtual
from tests.stack.meters import samples
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import scaling

from greenroom_core.kube.kinds import RUNTIMES
from greenroom_core.model.phases import Phase
from greenroom_operator.metrics import FLEET_SERIES

if TYPE_CHECKING:
    from greenroom_operator.program import Operator


def page(operator: Operator) -> str:
    operator.measure()
    return generate_latest(operator.metrics.registry).decode()


def of_fleet(operator: Operator, runtime: str = "default") -> dict[str, float]:
    """Each figure of it, by its name without the prefix."""
    labels = {"namespace": NAMESPACE, "runtime": runtime}
    text = page(operator)
    found = {name: [value for seen, value in samples(text, name) if seen == labels] for name in FLEET_SERIES}
    return {name.removeprefix("greenroom_fleet_"): values[0] for name, values in found.items() if values}


async def start(here: Stage, name: str, **spec: object) -> None:
    await here.create_session(name, call=name, **spec)
    await here.until(name, lambda s: s.status.phase is Phase.RUNNING)


def test_they_tell_of_slots_and_of_those_who_wait() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=2)
            await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == 2)
            for number in range(4):
                await start(here, f"s{number}")
            patient = {"startDeadlineSeconds": 600}
            await here.create_session("first", call="a", limits=patient)
            await here.clock.sleep(40)
            await here.create_session("second", call="b", limits=patient)
            await here.clock.sleep(20)
            seen = of_fleet(operator)
            assert 57 <= seen.pop("oldest_wait_seconds") <= 61
            assert seen == {
                "sessions": 4,
                "waiting_sessions": 2,
                "slots": 4,
                "free_slots": 0,
                "desired_pods": 2,
                "pods": 2,
                "ready_pods": 2,
            }
            await here.close("s0")
            await here.until("first", lambda s: s.status.phase is Phase.RUNNING)
            seen = of_fleet(operator)
            assert (seen["sessions"], seen["waiting_sessions"]) == (4, 1)
            assert 17 <= seen["oldest_wait_seconds"] <= 22

    run_virtual(story())


def test_desired_pods_are_those_of_the_built_in_autoscaling() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            await here.create_runtime(replicas=None, autoscaling=scaling(bufferSessions=1), sessionsPerPod=1)
            await start(here, "s0")
            await here.clock.sleep(5)
            assert of_fleet(operator)["desired_pods"] == 2

    run_virtual(story())


def test_a_standby_tells_nothing_of_fleets_until_it_leads() -> None:
    async def story() -> None:
        async with stage() as here:
            first, leading = here.start_operator("first")
            await here.create_runtime()
            await start(here, "s0")
            second, _ = here.start_operator("second")
            await here.when(lambda: second.ready)
            assert of_fleet(first)["sessions"] == 1
            assert of_fleet(second) == {}
            assert not list(samples(page(second), "greenroom_sessions"))
            leading.cancel()
            await here.when(lambda: second.leading)
            assert of_fleet(second)["sessions"] == 1
            assert ({"phase": "Running"}, 1.0) in list(samples(page(second), "greenroom_sessions"))
            assert of_fleet(first) == {}

    run_virtual(story())


def test_series_end_with_their_runtime_and_a_name_that_nobody_has_makes_none() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            await here.create_runtime()
            await here.create_runtime("other", replicas=0)
            await here.create_session("lost", runtime="no-such-runtime")
            await here.clock.sleep(10)
            runtimes = {labels["runtime"] for labels, _ in samples(page(operator), "greenroom_fleet_pods")}
            assert runtimes == {"default", "other"}
            await here.client.delete(RUNTIMES, NAMESPACE, "other")
            await here.clock.sleep(10)
            runtimes = {labels["runtime"] for labels, _ in samples(page(operator), "greenroom_fleet_pods")}
            assert runtimes == {"default"}

    run_virtual(story())
