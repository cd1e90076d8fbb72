"""`kubectl cordon` of the node that pods run on: nothing new comes to it, its calls go on; uncordon brings it back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    patient = Tolerance(quiet_seconds=30.0, longest_seconds=60.0)  # the judge does not know which slots are cordoned
    async with Stack(
        control_plane, tmp_path_factory.mktemp("cordon"), [FleetPlan(pods=1, slots=4)], tolerance=patient
    ) as stack:
        yield stack


def instead_of(stack: Stack, pod: str) -> list[Mapping[str, Any]]:
    """The fleet's other pods, whatever becomes of them."""
    ours = [found for found in stack.recorder.pods() if events.label(found, names.RUNTIME_LABEL) == "default"]
    return [found for found in ours if events.name(found) != pod]


def waits_for_a_slot(body: Mapping[str, Any]) -> bool:
    found = events.condition(body, "Scheduled")
    return found is not None and found["reason"] == "NoFreeSlot"


async def test_kubectl_cordon_and_uncordon(stack: Stack) -> None:
    live = (await stack.api.start("call-live")).session_id
    pod = events.status(await stack.until_phase(live, "Running"))["podName"]
    await stack.kubectl.ok("cordon", stack.node.name)
    await stack.recorder.until(lambda: instead_of(stack, pod), 30, "a pod in its place")
    [instead] = instead_of(stack, pod)
    await stack.kubectl.apply(session("waits", "call-2", limits={"startDeadlineSeconds": 60}))
    waiting = await stack.until("waits", waits_for_a_slot)
    assert (events.phase(waiting), events.attempt(waiting)) == ("Pending", 0)
    assert [events.name(found) for found in instead_of(stack, pod)] == [events.name(instead)], (
        "one, not one after another"
    )
    assert not instead["spec"].get("nodeName"), "a cordoned node takes no pod"
    await stack.kubectl.ok("uncordon", stack.node.name)
    running = await stack.until_phase("waits", "Running")
    assert events.attempt(running) == 1
    await stack.until_pods_ready(1)
    held = events.status(await stack.until_phase(live, "Running"))
    assert (held["podName"], held["attempt"]) == (pod, 1)
    assert [line.event for line in stack.journal.of(live)] == ["built", "joined"], "not touched"
    assert "may wait for ever" not in stack.operators[0].log
    await stack.settle()


async def test_kubectl_drain_ends_though_somebody_waits_for_a_slot(stack: Stack) -> None:
    """The budget is the chart's. Nobody computes its allowance here, which lets no guarded pod go, as in a cluster."""
    guard = {"minAvailable": 100_000, "selector": {"matchLabels": {names.BUSY_LABEL: "true"}}}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "busy-pods"},
        "spec": guard,
    }
    await stack.kubectl.apply(budget)
    [pod] = await stack.until_pods_ready(1)
    live = (await stack.api.start("call-last")).session_id
    await stack.until_phase(live, "Running")
    draining = asyncio.create_task(stack.kubectl.run("drain", stack.node.name, "--timeout=60s"))
    try:
        await stack.recorder.until(lambda: instead_of(stack, pod), 30, "a pod in its place")
        await stack.kubectl.apply(session("later", "call-later", limits={"startDeadlineSeconds": 120}))
        await stack.until("later", waits_for_a_slot)
        assert not draining.done(), "the call holds it up"
        assert not events.deleting(stack.recorder.pod(pod) or {"metadata": {}}), "no eviction while it holds a call"
        await stack.request_close(live)
        assert (await stack.until_ended(live))["reason"] == "CloseRequested"
        # By itself the label goes a minute after the last session.
        await stack.kubectl.ok("label", "pod", pod, f"{names.BUSY_LABEL}-")
        done = await draining
        assert done.status == 0, done.err
        await stack.recorder.until(lambda: stack.recorder.pod(pod) is None, 30, "the drained pod gone")
        assert [line.event for line in stack.journal.of("later")] == []
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        await stack.kubectl.ok("uncordon", stack.node.name)
    [other] = await stack.until_pods_ready(1)
    assert other != pod
    assert events.status(await stack.until_phase("later", "Running"))["podName"] == other
