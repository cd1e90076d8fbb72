"""What `greenroom uninstall` leaves behind: nothing, with an operator and without."""

from __future__ import annotations

from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage

from greenroom_operator.uninstall import Clearance

LONG = 3_000.0


def clearance(here: Stage) -> Clearance:
    return Clearance(here.client, NAMESPACE)


def nothing_left(here: Stage) -> None:
    assert here.server.objects("agentsessions") == []
    assert here.server.objects("agentruntimes") == []


async def with_calls(here: Stage) -> None:
    """A fleet with one call that goes on, one that is over, and one that waits for a runtime that there is not."""
    here.start_operator()
    await here.create_runtime(sessionsPerPod=2)
    await here.create_session("goes-on", limits={"idleTimeoutSeconds": 0})
    await here.create_session("over", limits={"maxDurationSeconds": 1, "idleTimeoutSeconds": 0})
    await here.create_session("waits", runtime="none", limits={"startDeadlineSeconds": 5_000})
    await here.until("goes-on", lambda session: session.status.phase == "Running")
    await here.until("over", lambda session: session.ended)


def test_calls_may_end_by_themselves_and_then_all_is_gone() -> None:
    async def story() -> None:
        async with stage() as here:
            await with_calls(here)
            begun = here.clock.boot()
            clearing = here.start(clearance(here).run(LONG, 60.0), "uninstall")
            await here.clock.sleep(30)
            assert not clearing.done()
            assert (await here.get("goes-on")).status.phase == "Running", "it has its time"
            await here.close("goes-on")
            await clearing
            assert here.clock.boot() - begun < LONG, "it waits no longer than it has to"
            nothing_left(here)

    run_virtual(story(), limit_seconds=LONG)


def test_what_goes_on_after_the_limit_is_ended_by_its_agent_s_leaving() -> None:
    async def story() -> None:
        async with stage() as here:
            await with_calls(here)
            await clearance(here).run(20.0, 60.0)
            nothing_left(here)
            assert {agent.closes for agent in here.agents.agents} == {1}, "each left, and once"
            await here.when(lambda: here.server.objects("pods") == [])

    run_virtual(story())


def test_without_an_operator_the_finalizers_are_taken_off() -> None:
    async def story() -> None:
        async with stage() as here:
            _, operator = here.start_operator()
            await here.create_runtime()
            await here.create_session("orphan", limits={"idleTimeoutSeconds": 0})
            await here.until("orphan", lambda session: session.status.phase == "Running")
            operator.cancel()
            await here.clock.sleep(1)
            await clearance(here).run(5.0, 5.0)
            nothing_left(here)

    run_virtual(story())


def test_an_empty_namespace_is_clear_at_once() -> None:
    async def story() -> None:
        async with stage() as here:
            begun = here.clock.boot()
            await clearance(here).run(LONG, LONG)
            assert here.clock.boot() == begun

    run_virtual(story())
