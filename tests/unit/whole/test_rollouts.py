"""A changed template, with all three programs on virtual time: who serves, what is made, how it is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_broken_fleets import progressing
from tests.unit.whole.test_fleets import change_template, live_pods, scaling, until_pods

from greenroom_core.kube.client import Selection
from greenroom_core.kube.kinds import PODS, RUNTIMES
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession


def runs(session: AgentSession) -> bool:
    return session.status.phase is Phase.RUNNING


async def ready(here: Stage, count: int) -> set[str]:
    await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == count)
    return set(await live_pods(here))


async def start(here: Stage, name: str, **spec: Any) -> AgentSession:
    await here.create_session(name, call=name, **spec)
    return await here.until(name, runs, seconds=30)


async def revision(here: Stage) -> str:
    return (await here.client.get(RUNTIMES, NAMESPACE, "default")).status.revision


@pytest.mark.parametrize(("surge", "most"), [("25%", 5), (2, 6), (0, 5), ("100%", 8)])
def test_never_more_pods_than_the_fleets_and_the_surge_and_never_fewer_ready(surge: int | str, most: int) -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=4, updateStrategy={"maxSurge": surge})
            before = await ready(here, 4)
            await change_template(here, "agent:2")
            counts, over = set(), here.clock.boot() + 400
            while here.clock.boot() < over:
                page = await here.client.list(PODS, Selection(NAMESPACE))
                staying = [pod for pod in page.items if not pod.leaving]
                counts.add(len(staying))
                assert sum(pod.ready for pod in staying) >= 4
                await here.clock.sleep(0.25)
            assert max(counts) <= most
            now = set(await live_pods(here))
            assert (len(now), now & before) == (4, set())

    run_virtual(story())


def test_each_session_shows_its_revision_and_an_undo_half_way_cuts_none() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=2)
            before = await ready(here, 2)
            held = [await start(here, f"old{number}") for number in range(3)]
            first = held[0].status.revision
            await change_template(here, "agent:2")
            await until_pods(here, 3)
            newer = await start(here, "new")
            assert newer.status.pod_name not in before
            assert {session.status.revision for session in held} == {first}
            assert newer.status.revision not in (None, first)
            await here.clock.sleep(6)
            assert await revision(here) == newer.status.revision
            await change_template(here, "agent")  # undone, with calls on both
            after = await start(here, "after")
            assert (after.status.pod_name in before, after.status.revision) == (True, first)
            await here.clock.sleep(400)
            for name in ("old0", "old1", "old2", "new", "after"):
                session = await here.get(name)
                assert (session.status.phase, session.status.attempt) == (Phase.RUNNING, 1)
            assert set(await live_pods(here)) == before | {newer.status.pod_name}
            await here.close("new")
            await until_pods(here, 2)
            assert set(await live_pods(here)) == before
            assert (await progressing(here)).reason == "Complete"

    run_virtual(story())


def test_one_that_has_stopped_takes_no_more_pods_and_the_next_template_rolls_out() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=4, sessionsPerPod=2, updateStrategy={"maxSurge": 1})
            before = await ready(here, 4)
            here.failing_image = "failing"
            await change_template(here, "failing")
            await here.when(lambda: len(here.pods) == 5)
            for number in range(3):
                await here.create_session(f"fails{number}", call=f"f{number}")
                ended = await here.until(f"fails{number}", lambda s: s.ended, seconds=30)
                assert ended.status.reason is EndReason.AGENT_ERROR
            stopped = set(await live_pods(here))
            for number in range(4):
                session = await start(here, f"s{number}")
                assert session.status.pod_name in before
            await here.clock.sleep(600)
            assert before < stopped, "all that served before still does"
            assert set(await live_pods(here)) == stopped, "neither made nor taken away"
            found = await progressing(here)
            assert (found.status.value, found.reason) == ("False", "SessionsFailing")
            [shown] = here.server.objects("agentruntimes")
            assert shown["status"]["freeSlots"] > 0, "those of the pods that serve"
            await change_template(here, "agent:3")
            await here.when(lambda: any(pod.ready for name, pod in here.pods.items() if name not in stopped))
            await here.clock.sleep(1)
            mended = await start(here, "next")
            assert mended.status.pod_name not in stopped
            for number in range(4):
                await here.close(f"s{number}")
            await here.clock.sleep(400)
            assert not set(await live_pods(here)) & stopped
            assert (await progressing(here)).reason == "Complete"

    run_virtual(story())


def test_nobody_waits_for_a_rollout_while_older_pods_have_a_slot() -> None:
    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            await here.create_runtime(replicas=3, sessionsPerPod=2, updateStrategy={"maxSurge": 1}, placement="Spread")
            before = await ready(here, 3)
            for number in range(3):
                await start(here, f"long{number}")  # one on each pod: none can leave
            await change_template(here, "agent:2")
            await ready(here, 4)
            for number in range(5):
                await here.create_session(f"s{number}", call=f"c{number}")
                await here.until(f"s{number}", runs, seconds=1)
            places = [(await here.get(f"s{number}")).status.pod_name for number in range(5)]
            assert [place in before for place in places] == [False, False, True, True, True]

    run_virtual(story())


def test_without_a_buffer_new_sessions_go_to_the_new_revision_all_the_same() -> None:
    """Calls that overlap for ever would otherwise keep an older pod in use for ever."""

    async def story() -> None:
        async with stage() as here:
            here.start_operator()
            scale = scaling(scaleDownDelaySeconds=10)
            await here.create_runtime(replicas=None, autoscaling=scale, sessionsPerPod=5)
            first = await start(here, "s0")
            await change_template(here, "agent:2")
            await here.clock.sleep(120)
            second = await start(here, "s1")
            assert second.status.pod_name != first.status.pod_name
            await here.close("s0")
            await until_pods(here, 1)
            assert await live_pods(here) == [second.status.pod_name]

    run_virtual(story())


def test_a_leader_that_takes_over_in_a_rollout_goes_on_with_it() -> None:
    async def story() -> None:
        async with stage() as here:
            _, leader = here.start_operator("first")
            await here.create_runtime(replicas=3, sessionsPerPod=2)
            before = await ready(here, 3)
            held = await start(here, "stays")
            await change_template(here, "agent:2")
            await here.when(lambda: len(here.pods) == 4)
            leader.cancel()
            here.start_operator("second")
            await start(here, "new")
            await here.clock.sleep(400)
            assert set(await live_pods(here)) & before == {held.status.pod_name}
            assert (await here.get("stays")).status.attempt == 1
            await here.close("stays")
            await until_pods(here, 3)
            assert not set(await live_pods(here)) & before

    run_virtual(story())
