"""A runtime pod whose sessions have processes of their own, on the real API server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.invariants import events
from tests.stack import FleetPlan, Stack

from greenroom_core.kube.kinds import PODS

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

AGENT = Path(__file__).with_name("pod_file.py")
ROOT = Path(__file__).resolve().parents[3]


async def test_crashes_are_told_in_the_status_and_the_pod_s_other_sessions_go_on(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    fleet = FleetPlan(pods=1, slots=10, drain_timeout_seconds=1, agent=AGENT, environment={"PYTHONPATH": str(ROOT)})
    async with Stack(control_plane, tmp_path, [fleet]) as stack:
        (pod,) = stack.open_pods()
        talking = await stack.api.start("call-1", parameters={"do": "talk"})
        await stack.until(talking.session_id, lambda body: "joinedAt" in events.status(body))
        for deed, message in (
            ("exit", "its process exited with status 3"),
            ("segfault", "its process was ended by signal 11 (SIGSEGV)"),
            ("bytearray", "the session's process exceeded its memory limit of 96 MiB"),
            ("sleep", "its event loop was blocked for 2 s"),
            ("raise", "Peculiar: the line is bad"),
        ):
            started = await stack.api.start(f"call-{deed}", parameters={"do": deed})
            status = await stack.until_ended(started.session_id)
            assert (status["phase"], status["reason"], status["message"]) == ("Failed", "AgentError", message)
        assert stack.open_pods() == [pod]
        await stack.client.delete(PODS, stack.namespace, pod)
        status = await stack.until_ended(talking.session_id)
        assert (status["phase"], status["reason"]) == ("Closed", "Drained")
        assert status["metrics"]["llm_output_tokens__total"] > 0
