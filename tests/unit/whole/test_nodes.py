"""`kubectl cordon` of a node, with all three programs on virtual time; and nodes that may not be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.fakes.apiserver import Script, refusal
from tests.fakes.virtual_time import run_virtual
from tests.unit.whole.stage import NAMESPACE, Stage, stage
from tests.unit.whole.test_fleets import live_pods, until_pods

from greenroom_core.kube.kinds import NODES, PODS
from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    import pytest

    from greenroom_core.kube.transport import Request


async def add_node(here: Stage, name: str) -> None:
    await here.client.create(NODES, None, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


async def cordon(here: Stage, name: str, *, closed: bool = True) -> None:
    await here.client.merge_patch(NODES, None, name, {"spec": {"unschedulable": closed or None}})


async def node_of(here: Stage, session: str) -> str:
    """Where it runs, once it does."""
    running = await here.until(session, lambda s: s.status.joined_at is not None, seconds=30)
    return (await here.client.get(PODS, NAMESPACE, running.status.pod_name or "")).spec.node_name


def asks_for_nodes(request: Request) -> bool:
    return request.path.startswith(NODES.path(None))


def meddled(here: Stage) -> Script:
    """Faults for the operator that was started last; they hold from its first request on."""
    here.transports[-1].faults = script = Script(here.clock)
    return script


def test_a_cordoned_node_empties_and_no_call_is_cut() -> None:
    async def story() -> None:
        async with stage() as here:
            await add_node(here, "node-1")
            here.start_operator()
            await here.create_runtime(replicas=2, sessionsPerPod=4)
            await here.create_session("stays", call="c1")
            assert await node_of(here, "stays") == "node-1"
            await add_node(here, "node-2")
            before = set(await live_pods(here))
            await cordon(here, "node-1")
            await here.clock.sleep(1.0)
            assert len(set(await live_pods(here)) - before) == 2, "both are replaced within a second"
            for number in range(3):
                await here.create_session(f"new-{number}", call=f"n{number}")
                assert await node_of(here, f"new-{number}") == "node-2"
            await here.clock.sleep(300)
            held = await here.get("stays")
            assert (held.status.phase, held.status.attempt) == (Phase.RUNNING, 1)
            on_node_1 = [body for body in here.server.objects("pods") if body["spec"]["nodeName"] == "node-1"]
            assert [body["metadata"]["name"] for body in on_node_1] == [held.status.pod_name], "the empty one has gone"
            await here.close("stays")
            await until_pods(here, 2)
            assert {body["spec"]["nodeName"] for body in here.server.objects("pods")} == {"node-2"}

    run_virtual(story())


def test_where_all_nodes_are_cordoned_sessions_wait_and_uncordon_lets_them_run() -> None:
    async def story() -> None:
        async with stage() as here:
            await add_node(here, "node-1")
            here.start_operator()
            await here.create_runtime(replicas=1)
            await here.create_session("stays", call="c1")
            held = await here.until("stays", lambda s: s.status.joined_at is not None)
            await cordon(here, "node-1")
            await here.create_session("waits", call="c2", limits={"startDeadlineSeconds": 600})
            await here.clock.sleep(120)
            waits = await here.get("waits")
            assert (waits.status.phase, waits.status.attempt) == (Phase.PENDING, 0)
            assert len(await live_pods(here)) == 2, "one that stays, one that no node takes, and no more"
            await cordon(here, "node-1", closed=False)
            running = await here.until("waits", lambda s: s.status.phase is Phase.RUNNING, seconds=1)
            assert running.status.pod_name == held.status.pod_name
            await until_pods(here, 1)
            assert (await here.get("stays")).status.attempt == 1

    run_virtual(story())


def test_a_new_leader_knows_the_cordoned_nodes_before_it_binds() -> None:
    async def story() -> None:
        async with stage() as here:
            await add_node(here, "node-1")
            _, first = here.start_operator("first")
            await here.create_runtime(replicas=1)
            await here.create_session("stays", call="c1")
            assert await node_of(here, "stays") == "node-1"
            first.cancel()
            await cordon(here, "node-1")
            await here.create_session("waits", call="c2", limits={"startDeadlineSeconds": 600})
            second, _ = here.start_operator("second")
            # The watch, or what comes of the first list by the feed itself, is late; the take-over asks for itself.
            meddled(here).add(asks_for_nodes, delay_before_seconds=0.2)
            await here.when(lambda: second.leading, seconds=10)
            await here.clock.sleep(30)
            assert (await here.get("waits")).status.attempt == 0

    run_virtual(story())


def test_where_nodes_may_not_be_read_that_is_said_once_and_all_else_works(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with stage() as here:
            await add_node(here, "node-1")
            operator, _ = here.start_operator()
            script = meddled(here)
            begun = here.clock.boot()
            script.add(asks_for_nodes, times=1_000, answer=refusal(403, "Forbidden", "nodes is forbidden"))
            await here.create_runtime(replicas=1)
            await here.create_session("one", call="c1")
            await here.until("one", lambda s: s.status.joined_at is not None, seconds=5)
            assert here.clock.boot() - begun < 5
            assert operator.ready
            assert operator.leading
            await cordon(here, "node-1")
            await here.create_session("two", call="c2")
            assert await node_of(here, "two") == "node-1", "as before nodes were looked at"
            await here.clock.sleep(1800)
            asked = sum(map(asks_for_nodes, script.seen))
            assert 12 <= asked <= 20, "at first soon, then once in five minutes"
            script.clear()  # the role has been given
            await here.clock.sleep(310)
            await here.create_session("three", call="c3")
            await here.clock.sleep(30)
            assert (await here.get("three")).status.phase is Phase.PENDING

    with caplog.at_level(logging.INFO):
        run_virtual(story())
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and "nodes: 403" in r.getMessage()]
    assert len(said) == 1
    assert "403 Forbidden: nodes is forbidden" in said[0]
    assert "GREENROOM_WATCH_NODES=false" in said[0]
    assert [r.getMessage() for r in caplog.records if "is cordoned" in r.getMessage()] == ["node node-1 is cordoned"]


def test_a_server_that_is_silent_on_nodes_holds_up_no_start() -> None:
    async def story() -> None:
        async with stage() as here:
            operator, _ = here.start_operator()
            meddled(here).add(asks_for_nodes, times=1_000, delay_before_seconds=10_000.0)
            await here.create_runtime(replicas=1)
            await here.create_session("one", call="c1")
            await here.until("one", lambda s: s.status.joined_at is not None, seconds=5)
            assert operator.ready

    run_virtual(story())


def test_switched_off_nobody_asks_for_nodes() -> None:
    async def story() -> None:
        async with stage() as here:
            await add_node(here, "node-1")
            here.start_operator(watch_nodes=False)
            script = meddled(here)
            await here.create_runtime(replicas=1)
            await cordon(here, "node-1", closed=False)
            await here.create_session("one", call="c1")
            await here.until("one", lambda s: s.status.joined_at is not None)
            await cordon(here, "node-1")
            await here.create_session("two", call="c2")
            assert await node_of(here, "two") == "node-1"
            assert not any(map(asks_for_nodes, script.seen))
            assert script.seen

    run_virtual(story())
