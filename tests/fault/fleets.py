"""The fleet itself changes under load: its template, its size, the nodes that it is on; and a fleet is deleted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fault.case import Case, Lineup
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan
from tests.stack.fleet import AGENTS

from greenroom_core.model import names
from greenroom_local.node import ProcessNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.fault.scene import Scene
    from tests.stack import Stack

FLEET = FleetPlan(pods=3, slots=8)
SCALING = {"minPods": 1, "maxPods": 4, "bufferSessions": 2, "scaleDownDelaySeconds": 5}
WAVE = FleetPlan(pods=1, slots=4, autoscaling=SCALING)
PASSING = FleetPlan(name="passing", pods=2, slots=4)
MAX_SURGE = 1
ENOUGH_STARTS = 20
_NEWS_SECONDS = 200.0  # a pod leaves no sooner than a minute after its last session, and makes room for one more


def pods(stack: Stack, runtime: str = names.DEFAULT_RUNTIME) -> set[str]:
    """All of that fleet that are not leaving, ready or not."""
    return {
        events.name(pod)
        for pod in stack.recorder.pods()
        if events.label(pod, names.RUNTIME_LABEL) == runtime and not events.deleting(pod)
    }


async def until(scene: Scene, holds: Callable[[], Any], what: str) -> None:
    await scene.stack.recorder.until(holds, _NEWS_SECONDS, what)


def has_a_session(stack: Stack, among: set[str]) -> bool:
    """Whether one runs in any of those pods."""
    running = (events.status(body) for body in stack.recorder.sessions() if events.phase(body) == "Running")
    return any(state["podName"] in among for state in running)


# --- the template ---


def another_release(scene: Scene) -> FleetPlan:
    return replace(FLEET, environment={"RELEASE": str(scene.chance.randrange(10**9))})


def present_release(stack: Stack) -> FleetPlan:
    """The fleet as it is now, to be applied again."""
    runtime: Any = stack.recorder.runtime(names.DEFAULT_RUNTIME)
    variables = runtime["spec"]["template"]["spec"]["containers"][0]["env"]
    return replace(FLEET, environment={item["name"]: item["value"] for item in variables if item["name"] == "RELEASE"})


async def rolled_out(scene: Scene) -> None:
    """To the end, but for the pods that are held by those who stay: so many fewer there may be of the new revision."""
    stack, before = scene.stack, pods(scene.stack)
    await stack.apply_fleet(another_release(scene))

    def complete() -> bool:
        old = before & pods(stack)
        held = {pod for pod in old if has_a_session(stack, {pod})}
        room = FLEET.pods + MAX_SURGE - len(held)
        return old == held and len(set(stack.open_pods()) - before) >= min(FLEET.pods, room)

    await until(scene, complete, "the fleet on its new revision")
    await until(scene, lambda: has_a_session(stack, pods(stack) - before), "a session on the new revision")


async def undone(scene: Scene) -> None:
    """As soon as a session runs on the new revision."""
    stack, before, present = scene.stack, pods(scene.stack), present_release(scene.stack)
    await stack.apply_fleet(another_release(scene))
    await until(scene, lambda: has_a_session(stack, pods(stack) - before), "a session on the new revision")
    await stack.apply_fleet(present)
    await scene.load.until_answered(ENOUGH_STARTS)


async def never_ready(scene: Scene) -> None:
    """The rollout stands still at its first pod; the ones before serve, until the template is undone."""
    await _goes_no_further(scene, replace(another_release(scene), agent=AGENTS / "mute.py"))


async def ended_at_start(scene: Scene) -> None:
    await _goes_no_further(scene, replace(another_release(scene), agent=Path("/nowhere/agent.py")))


async def _goes_no_further(scene: Scene, bad: FleetPlan) -> None:
    stack, before, present = scene.stack, pods(scene.stack), present_release(scene.stack)
    serving = set(stack.open_pods())
    await stack.apply_fleet(bad)
    await until(scene, lambda: pods(stack) - before, "a pod of the bad revision")
    await scene.load.until_answered(ENOUGH_STARTS)
    assert len(stack.open_pods()) >= FLEET.pods, (
        f"pods that served have left: of {serving} there are {stack.open_pods()}"
    )
    assert not set(stack.open_pods()) - serving, "a pod of the bad revision is ready"
    await stack.apply_fleet(present)


# --- the size ---


async def scaled(scene: Scene) -> None:
    """2 pods become 5, then 1 as far as pods are empty, then 3."""
    stack = scene.stack
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=2")
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=5")
    await until(scene, lambda: len(stack.open_pods()) >= 5, "five pods")
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=1")
    await until(scene, lambda: len(pods(stack)) < 5, "a pod less")
    await scene.load.until_answered(ENOUGH_STARTS)
    await stack.kubectl.ok("scale", "agentruntime/default", "--replicas=3")
    await until(scene, lambda: len(stack.open_pods()) >= FLEET.pods, "three pods")


async def wave_of_calls(scene: Scene) -> None:
    """More than all pods have slots for; they wait until there are more pods, and go again."""
    calls = await asyncio.gather(*(scene.load.begin(finish_seconds=None) for _ in range(8)))
    assert all(life.acknowledged for life in calls), [life.status for life in calls]
    assert len(scene.stack.open_pods()) >= 3
    await asyncio.gather(*(scene.load.see_through(life) for life in calls))


# --- the nodes ---


@asynccontextmanager
async def another_node_and_a_budget(stack: Stack) -> AsyncIterator[None]:
    """The budget guards as the chart's does; nobody computes its allowance here, which allows nothing."""
    await stack.kubectl.apply(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "busy-pods"},
            "spec": {"minAvailable": 100_000, "selector": {"matchLabels": {names.BUSY_LABEL: "true"}}},
        }
    )
    other = f"other-{stack.namespace}"
    async with ProcessNode(stack.plane, stack.namespace, stack.directory / "other", name=other):
        yield


async def node_drained(scene: Scene) -> None:
    """`kubectl drain` of the node that most calls are on, which waits for them; given up once others serve."""
    stack = scene.stack
    node = _node_of(stack, scene.a_pod_with_sessions())
    there = {pod for pod in pods(stack) if _node_of(stack, pod) == node}
    draining = asyncio.create_task(stack.kubectl.run("drain", node, f"--timeout={_NEWS_SECONDS:.0f}s"))
    try:
        await until(scene, lambda: len(set(stack.open_pods()) - there) >= FLEET.pods, "pods on the other node")
        await scene.load.until_answered(ENOUGH_STARTS)
        assert not draining.done(), "the drain did not wait for those who stay"
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        await stack.kubectl.ok("uncordon", node)


def _node_of(stack: Stack, pod: str) -> str:
    body: Any = stack.recorder.pod(pod)
    return str(body["spec"].get("nodeName", "")) if body is not None else ""


# --- the end of a fleet ---


async def deleted(scene: Scene) -> None:
    """With calls in it, and callers who want more: they wait until it is made again."""
    stack = scene.stack
    live = [await scene.load.begin(finish_seconds=seconds, runtime=PASSING.name) for seconds in (2.0, 4.0, 6.0)]
    await stack.kubectl.ok("delete", "agentruntime", PASSING.name, "--wait=false")
    late = asyncio.create_task(scene.load.begin(finish_seconds=1.0, runtime=PASSING.name))
    try:
        await until(scene, lambda: stack.recorder.runtime(PASSING.name) is None, "the deleted fleet gone")
        assert not pods(stack, PASSING.name), "pods have outlived their fleet"
        await stack.apply_fleet(PASSING)
    finally:
        live.append(await late)
    await asyncio.gather(*(scene.load.see_through(life) for life in live))
    await until(scene, lambda: len(stack.open_pods(PASSING.name)) >= PASSING.pods, "the fleet there again")


# The judge does not know which slots are of an old revision, or cordoned, or of a fleet that is being deleted.
CHANGING = Tolerance(quiet_seconds=30.0, longest_seconds=60.0)

LINEUPS = (
    Lineup(
        name="rollouts",
        cases=(
            Case("rollout: undone half-way", "once a session runs on the new revision", undone, tries=4),
            Case("rollout: pods never ready", "it stands still until it is undone", never_ready, tries=4),
            Case("rollout: pods end at their start", "the same", ended_at_start, tries=4),
        ),
        fleets=(FLEET,),
        tolerance=CHANGING,
    ),
    Lineup(
        name="releases",
        cases=(Case("rollout", "a changed template, to the end", rolled_out, tries=3),),
        fleets=(FLEET,),
        tolerance=CHANGING,
    ),
    Lineup(
        name="sizes",
        cases=(Case("scale", "kubectl scale to 5, 1 and 3 pods", scaled, tries=6),),
        fleets=(FLEET,),
        tolerance=CHANGING,
    ),
    Lineup(
        name="autoscaling",
        cases=(Case("autoscaling: a wave of calls", "from one pod to as many as there may be", wave_of_calls),),
        fleets=(WAVE,),
        callers=4,
        tolerance=CHANGING,
    ),
    Lineup(
        name="drains",
        cases=(Case("kubectl drain", "of a node with calls, until pods elsewhere serve", node_drained, tries=6),),
        fleets=(FLEET,),
        tolerance=CHANGING,
        beside=another_node_and_a_budget,
    ),
    Lineup(
        name="deletions",
        cases=(
            Case("AgentRuntime: deleted", "with calls in it and callers who wait, and made again", deleted, tries=6),
        ),
        fleets=(FleetPlan(pods=2, slots=8), PASSING),
        tolerance=CHANGING,
    ),
)
