"""An AgentRuntime deleted in each of the ways that the real garbage collector knows: no call is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan

from greenroom_core.kube.kinds import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stack import Stack

pytestmark = [pytest.mark.integration]

LEAVING = Tolerance(quiet_seconds=60.0, longest_seconds=60.0)
FLEET = FleetPlan(pods=2, slots=2, drain_timeout_seconds=60)
CALL = {"parameters": {"finish_seconds": 12}}


async def until_nothing_is_left(stack: Stack) -> None:
    await stack.recorder.until(lambda: stack.recorder.runtime("default") is None, 40, "the AgentRuntime gone")
    await stack.recorder.until(lambda: not stack.recorder.pods(), 20, "its pods gone")


def told(stack: Stack, session: str) -> list[str]:
    return [line.event for line in stack.journal.of(session)]


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_a_deleted_runtime_lets_its_call_end_and_leaves_nothing(
    stacked: Callable[..., Stack], cascade: str
) -> None:
    async with stacked(FLEET, tolerance=LEAVING) as stack:
        live = (await stack.api.start("live", **CALL)).session_id
        held = events.status(await stack.until_phase(live, "Running"))["podName"]
        await stack.kubectl.ok("delete", "agentruntime/default", f"--cascade={cascade}", "--wait=false")
        await stack.recorder.until(lambda: [events.name(pod) for pod in stack.recorder.pods()] == [held], 20, "one pod")
        body: Any = stack.recorder.pod(held)
        # The collector takes the pods of a foreground deletion itself: their calls have the drain timeout, no more.
        assert events.deleting(body) == (cascade == "foreground")
        assert (await stack.until_ended(live))["reason"] == "Finished"
        assert told(stack, live) == ["built", "joined", "left"]
        await until_nothing_is_left(stack)


async def test_an_orphaned_pod_is_nobodys_and_keeps_its_call(stacked: Callable[..., Stack]) -> None:
    """As the word says: it stays, and whoever wanted that deletes it. An idle one may have been deleted before."""
    async with stacked(FLEET, tolerance=LEAVING) as stack:
        live = (await stack.api.start("live", **CALL)).session_id
        orphan = events.status(await stack.until_phase(live, "Running"))["podName"]
        await stack.kubectl.ok("delete", "agentruntime/default", "--cascade=orphan")
        assert (await stack.until_ended(live))["reason"] == "Finished"
        assert told(stack, live) == ["built", "joined", "left"]
        before = set(stack.open_pods())
        await stack.apply_fleet(FLEET)
        await stack.recorder.until(lambda: len(set(stack.open_pods()) - before) == FLEET.pods, 30, "pods of its own")
        body = stack.recorder.pod(orphan)
        assert body is not None
        assert (body["metadata"].get("ownerReferences"), events.deleting(body)) == (None, False), "not adopted"
        new = (await stack.api.start("new")).session_id
        assert events.status(await stack.until_phase(new, "Running"))["podName"] not in before
        await stack.kubectl.ok("delete", "pod", *before, "--timeout=30s")


async def test_an_owner_that_is_forced_away_leaves_no_pod_and_its_call_may_end(stacked: Callable[..., Stack]) -> None:
    """No operator is there and the finalizer is taken off by hand, as the way out in the docs says."""
    async with stacked(FLEET, tolerance=LEAVING) as stack:
        live = (await stack.api.start("live", **CALL)).session_id
        await stack.until_phase(live, "Running")
        await stack.operators[0].process.stop(10.0)
        await stack.kubectl.ok("delete", "agentruntime/default", "--wait=false")
        await stack.client.merge_patch(RUNTIMES, stack.namespace, "default", {"metadata": {"finalizers": None}})
        await stack.recorder.until(lambda: all(map(events.deleting, stack.recorder.pods())), 20, "the pods deleted")
        assert (await stack.until_ended(live))["reason"] == "Finished"
        assert told(stack, live) == ["built", "joined", "left"]
        await until_nothing_is_left(stack)
