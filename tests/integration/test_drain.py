"""A runtime pod that leaves finishes its sessions and takes no new one; what it does not start, another does."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack
from tests.stack.kubectl import session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

DRAIN_SECONDS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    fleet = FleetPlan(pods=2, slots=10, drain_timeout_seconds=DRAIN_SECONDS)
    patient = Tolerance(quiet_seconds=15.0)  # a pod that has given back rests, though it looks free
    async with Stack(control_plane, tmp_path_factory.mktemp("drain"), [fleet], tolerance=patient) as stack:
        yield stack


async def pod_of(stack: Stack, name: str) -> str:
    body = await stack.until_phase(name, "Running")
    return str(events.status(body)["podName"])


async def test_deleted_pod_finishes_its_calls(stack: Stack) -> None:
    await stack.kubectl.apply(
        session("stays", "call-1"), session("finishes", "call-2", parameters={"finish_seconds": 2})
    )
    pod = await pod_of(stack, "stays")
    assert await pod_of(stack, "finishes") == pod, "Packed"
    await stack.kubectl.ok("delete", "pod", pod, "--wait=false")
    await stack.recorder.until(lambda: events.deleting(stack.recorder.pod(pod) or {"metadata": {}}), 30, "the deletion")
    late = await stack.api.start("call-3")
    assert await pod_of(stack, late.session_id) != pod
    assert (await stack.until_ended("finishes"))["reason"] == "Finished"
    status = await stack.until_ended("stays")
    assert (status["phase"], status["reason"]) == ("Closed", "Drained")
    await stack.recorder.until(lambda: stack.recorder.pod(pod) is None, 30, "the end of the pod")
    await stack.until_pods_ready(2)
    assert [line.event for line in stack.journal.of(late.session_id)] == ["built", "joined"], "not touched"
    await stack.settle()


async def test_sessions_that_a_leaving_pod_was_given_run_elsewhere(stack: Stack) -> None:
    """SIGTERM reaches the process first: for some seconds the operator still takes the pod for ready."""
    first = await stack.api.start("call-4", parameters={"finish_seconds": 3})
    pod = await pod_of(stack, first.session_id)
    os.kill(stack.node.pid(pod), signal.SIGTERM)
    answers = await asyncio.gather(*(stack.api.start(f"moved-{number}") for number in range(6)))
    assert [answer.status for answer in answers] == [201] * 6
    for answer in answers:
        body = await stack.until_phase(answer.session_id, "Running")
        assert events.status(body)["podName"] != pod
        assert events.attempt(body) <= 6, "no race to and fro while the pod still looks ready"
    assert (await stack.until_ended(first.session_id))["reason"] == "Finished"
    await stack.until_pods_ready(2)
    await stack.settle()


async def test_pod_with_fewer_slots_than_its_annotation_says_gives_back(stack: Stack) -> None:
    """The pod has the last word on its slots."""
    await stack.apply_fleet(FleetPlan(name="liar", pods=1, slots=2, environment={"GREENROOM_SLOTS": "1"}))
    await stack.until_pods_ready(1, "liar")
    await stack.kubectl.apply(session("taken", "call-5", runtime="liar"))
    await stack.until_phase("taken", "Running")
    limits = {"startDeadlineSeconds": 3}
    await stack.kubectl.apply(session("returned", "call-6", runtime="liar", limits=limits))

    def given_back(body: object) -> bool:
        found = events.condition(body, "Scheduled")  # type: ignore[arg-type]
        return found is not None and found["reason"] == "Returned"

    await stack.until("returned", given_back)
    status = await stack.until_ended("returned")
    assert (status["phase"], status["reason"]) == ("Failed", "StartDeadline")
    assert status["attempt"] <= 10, "given back and bound again without a pause"
    assert stack.journal.of("returned") == []
