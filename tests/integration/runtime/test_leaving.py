"""How a real pod process leaves: on SIGTERM, with an agent that will not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.invariants import events
from tests.stack import FleetPlan, Stack

from greenroom_core.kube.kinds import PODS

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

AGENT = Path(__file__).with_name("deaf_agent.py")
ROOT = Path(__file__).resolve().parents[3]


def exit_codes(pod: Any) -> list[int]:
    states = [item.get("state", {}) for item in events.status(pod).get("containerStatuses", ())]
    return [state["terminated"]["exitCode"] for state in states if "terminated" in state]


async def test_an_agent_that_will_not_leave_is_reported_and_the_process_ends_with_0(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    fleet = FleetPlan(pods=1, slots=2, drain_timeout_seconds=1, agent=AGENT, environment={"PYTHONPATH": str(ROOT)})
    async with Stack(control_plane, tmp_path, [fleet]) as stack:
        (pod,) = stack.open_pods()
        started = await stack.api.start("call-1")
        await stack.until(started.session_id, lambda body: "joinedAt" in events.status(body))
        await stack.client.delete(PODS, stack.namespace, pod)
        status = await stack.until_ended(started.session_id)
        assert (status["phase"], status["reason"]) == ("Closed", "Drained")
        assert status["message"] == "join_call did not end within 10 s of its cancellation and was given up"
        gone = lambda: all(events.name(body) != pod for body in stack.recorder.pods())  # noqa: E731
        await stack.recorder.until(gone, 30, f"pod {pod} gone")
        codes = [
            code for event in stack.recorder.events if events.name(event.body) == pod for code in exit_codes(event.body)
        ]
        assert codes
        assert set(codes) == {0}
