"""The chart's budget under the real disruption controller: a pod that holds a call stays, an idle one may go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.controllers.budget import budget_status, evict
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan

from greenroom_core.model import names
from greenroom_local.node import ProcessNode

from .conftest import NODE_REPORTS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.stack import Stack

pytestmark = [pytest.mark.integration]

EVICTING = Tolerance(quiet_seconds=30.0, longest_seconds=60.0)  # the judge does not know which slots are cordoned


async def until_counted(stack: Stack, name: str, pods: int) -> dict[str, Any]:
    """The budget's status once the controller has counted so many guarded pods."""
    async with asyncio.timeout(30):
        while (status := await budget_status(stack, name)).get("expectedPods") != pods:
            await asyncio.sleep(0.1)
    return status


def is_leaving(stack: Stack, pod: str) -> bool:
    body = stack.recorder.pod(pod)
    return body is None or events.deleting(body)


async def test_the_budget_holds_busy_pods_and_lets_idle_ones_go(
    stacked: Callable[..., Stack], budget: Mapping[str, Any]
) -> None:
    async with stacked(FleetPlan(pods=2, slots=2), tolerance=EVICTING) as stack:
        await stack.kubectl.apply(budget)
        live = (await stack.api.start("live")).session_id
        busy = events.status(await stack.until_phase(live, "Running"))["podName"]
        [idle] = set(stack.open_pods()) - {busy}
        status = await until_counted(stack, budget["metadata"]["name"], 1)
        assert (status["desiredHealthy"], status["currentHealthy"], status["disruptionsAllowed"]) == (100_000, 1, 0)
        [condition] = [c for c in status["conditions"] if c["type"] == "DisruptionAllowed"]
        assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods"), "not SyncFailed"
        assert await evict(stack, busy) == 429
        assert await evict(stack, idle) == 201
        await stack.recorder.until(lambda: stack.recorder.pod(idle) is None, 20, "the evicted pod gone")
        await stack.until_pods_ready(2)
        assert await evict(stack, busy) == 429
        held = events.status(await stack.until_phase(live, "Running"))
        assert (held["podName"], held["attempt"]) == (busy, 1)
        assert [line.event for line in stack.journal.of(live)] == ["built", "joined"], "not touched"
        warnings = "involvedObject.kind=PodDisruptionBudget,type=Warning"
        told = await stack.kubectl.ok("get", "events", "--field-selector", warnings)
        assert told == "", "the budget is no reason for a warning"


async def test_kubectl_drain_waits_for_the_calls_of_its_node_and_cuts_none(
    stacked: Callable[..., Stack], budget: Mapping[str, Any]
) -> None:
    """Nobody helps: the call ends by itself, the busy label goes a minute later, and only then does the drain end."""
    async with stacked(FleetPlan(pods=2, slots=2), tolerance=EVICTING) as stack:
        await stack.kubectl.apply(budget)
        live = (await stack.api.start("live", parameters={"finish_seconds": 12})).session_id
        busy = events.status(await stack.until_phase(live, "Running"))["podName"]
        first = set(stack.open_pods())
        async with ProcessNode(
            stack.plane,
            stack.namespace,
            stack.directory / "other",
            name=f"other-{stack.namespace}",
            report_seconds=NODE_REPORTS_SECONDS,
        ):
            draining = asyncio.create_task(stack.kubectl.run("drain", stack.node.name, "--timeout=120s"))
            try:
                await stack.recorder.until(lambda: len(set(stack.open_pods()) - first) == 2, 40, "two pods elsewhere")
                assert is_leaving(stack, (first - {busy}).pop()), "the idle pod goes at once"
                assert not is_leaving(stack, busy)
                new = (await stack.api.start("new")).session_id
                assert events.status(await stack.until_phase(new, "Running"))["podName"] not in first
                assert not draining.done()
                assert (await stack.until_ended(live))["reason"] == "Finished"
                assert not is_leaving(stack, busy)
                done = await draining
            finally:
                draining.cancel()
                await asyncio.gather(draining, return_exceptions=True)
            assert done.status == 0, done.err
            assert "Cannot evict pod" in done.err + done.out, "the budget held it up"
            await stack.recorder.until(lambda: stack.recorder.pod(busy) is None, 20, "the drained pod gone")
            assert [line.event for line in stack.journal.of(new)] == ["built", "joined"], "not touched"
            await stack.settle()
            assert events.label(stack.recorder.pods()[0], names.RUNTIME_LABEL) == "default"
