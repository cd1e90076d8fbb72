"""Sessions that may run again outlive their pods: given back at a drain's deadline, and lost twice in a row."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

from greenroom_core.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

DRAIN_SECONDS = 3
MAY_RUN_AGAIN = {"restartPolicy": "OnPodLoss"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleet = FleetPlan(pods=2, slots=10, drain_timeout_seconds=DRAIN_SECONDS)
    patient = Tolerance(quiet_seconds=15.0)  # a pod that has given back rests, though it looks free
    async with Stack(control_plane, tmp_path_factory.mktemp("recovery"), [fleet], tolerance=patient) as stack:
        yield stack


async def joined(stack: Stack, name: str, attempt: int) -> Mapping[str, Any]:
    """The status as soon as its agent is in the call."""

    def holds(body: Mapping[str, Any]) -> bool:
        return events.attempt(body) == attempt and "joinedAt" in events.status(body)

    return events.status(await stack.until(name, holds, seconds=30))


def without_pod(stack: Stack, name: str, attempt: int) -> Mapping[str, Any]:
    """As it was first seen after that attempt."""
    for event in stack.recorder.history(name):
        if (events.phase(event.body), events.attempt(event.body)) == (Phase.PENDING, attempt):
            return event.body
    raise AssertionError(f"{name} was never without a pod after attempt {attempt}")


def waits_for(stack: Stack, name: str, attempt: int) -> str:
    shown = events.condition(without_pod(stack, name, attempt), "Scheduled")
    return str(shown["message"]) if shown is not None else ""


async def test_a_leaving_pod_gives_back_what_may_run_again(stack: Stack) -> None:
    may, may_not = "moves", "ends"
    await stack.kubectl.apply(
        session(may, "call-1", parameters={"leave_seconds": 0.3}, **MAY_RUN_AGAIN), session(may_not, "call-2")
    )
    first = await joined(stack, may, 1)
    pod = str(first["podName"])
    assert (await joined(stack, may_not, 1))["podName"] == pod, "Packed"

    await stack.kubectl.ok("delete", "pod", pod, "--wait=false")

    again = await joined(stack, may, 2)
    assert again["podName"] != pod
    back = without_pod(stack, may, 1)
    shown = events.condition(back, "Scheduled")
    assert shown is not None
    assert (shown["status"], shown["reason"]) == ("False", "Returned")
    assert {"podName", "podUID", "startedAt", "joinedAt", "endedAt", "reason"} & events.status(back).keys() == set()
    last = again["lastAttempt"]
    assert (last["attempt"], last["podName"], last["reason"]) == (1, pod, "Returned")
    assert (last["startedAt"], last["joinedAt"]) == (first["startedAt"], first["joinedAt"])
    assert [line.event for line in stack.journal.of(may)] == ["built", "joined", "left", "built", "joined"]
    assert (await stack.until_ended(may_not))["reason"] == "Drained"
    await stack.until_pods_ready(2)
    await stack.settle()
    assert events.status(stack.recorder.session(may) or {})["lastAttempt"] == last, "it stays to be read"


async def test_a_session_whose_pods_die_runs_again_at_once_and_then_after_a_pause(stack: Stack) -> None:
    name = "survives"
    await stack.kubectl.apply(session(name, "call-3", **MAY_RUN_AGAIN))
    lost = []
    for attempt in (1, 2):
        running = await joined(stack, name, attempt)
        lost.append(running["podName"])
        os.kill(stack.node.pid(running["podName"]), signal.SIGKILL)
    again = await joined(stack, name, 3)

    assert again["podName"] not in lost
    last = again["lastAttempt"]
    assert (last["attempt"], last["podName"], last["reason"], last["losses"]) == (2, lost[1], "PodLost", 2)
    assert last["message"] == f"pod {lost[1]} was lost"
    assert waits_for(stack, name, 1) == f"pod {lost[0]} was lost", "bound again at once"
    assert waits_for(stack, name, 2).startswith(f"pod {lost[1]} was lost, 2 in a row; not bound again before 20")
    paused = datetime.fromisoformat(again["scheduledAt"]) - datetime.fromisoformat(last["endedAt"])
    assert paused >= timedelta(seconds=2)

    told = await stack.kubectl.ok("describe", "agentsession", name)
    assert "Last Attempt:" in told
    assert lost[1] in told
    assert "PodLost" in told
    assert "BoundAgain" in told
    await stack.settle()
