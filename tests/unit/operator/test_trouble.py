"""Why a pod does not start, as an AgentRuntime's conditions tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.operator.worlds import NOW, fleet, pod

from greenroom_core.model.pod import Pod, PodStatus
from greenroom_core.model.runtime import RuntimeStatus
from greenroom_operator.planning.attempts import Attempts
from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.trouble import MAX_CHARACTERS, trouble


def with_status(name: str = "p1", **status: Any) -> Pod:
    return msgspec.structs.replace(pod(name, ready=False), status=msgspec.convert(status, PodStatus))


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}, None),
        ({"phase": "Running"}, None),
        (
            {
                "phase": "Pending",
                "containerStatuses": [waiting("ImagePullBackOff", 'Back-off pulling image "agent:2"')],
            },
            'ImagePullBackOff: Back-off pulling image "agent:2"',
        ),
        ({"phase": "Pending", "initContainerStatuses": [waiting("CrashLoopBackOff")]}, "CrashLoopBackOff"),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient cpu.",
                    }
                ],
            },
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]},
            "Ended: exit code 1 Error",
        ),
    ],
)
def test_in_the_words_of_who_knows(status: dict[str, Any], why: str | None) -> None:
    assert trouble(with_status(**status)) == why


def test_a_long_message_is_cut() -> None:
    assert len(trouble(with_status(containerStatuses=[waiting("ErrImagePull", "x" * 5000)])) or "") == MAX_CHARACTERS


def progressing(*pods: Pod, attempts: Attempts | None = None) -> tuple[str, str, str]:
    of = fleet(replicas=len(pods))
    world = FleetSnapshot(
        now=1.0,
        wall=NOW,
        fleet=of,
        pods=pods,
        sessions={},
        empty_since={},
        being_made=0,
        attempts=attempts or Attempts(),
        template_error="",
    )
    status = fleet_status(world, of, Size(len(pods)), RuntimeStatus(), pending=0, now=NOW)
    (found,) = [one for one in status.conditions if one.type == "Progressing"]
    return found.status.value, found.reason, found.message


def test_the_condition_names_a_pod_and_how_many_there_are() -> None:
    stuck = [with_status(f"p{n}", containerStatuses=[waiting("ErrImagePull", "no such image")]) for n in range(2)]
    assert progressing(pod("good"), *stuck) == (
        "False",
        "PodsNotStarting",
        "pod p0: ErrImagePull: no such image (2 pods do not start)",
    )


def test_the_condition_tells_how_the_last_of_failing_pods_ended() -> None:
    attempts = Attempts(3, 1.0, "exit code 1 Error")
    assert progressing(pod(), attempts=attempts) == (
        "False",
        "PodsFailing",
        "pods end before they are ready, 3 times in a row: exit code 1 Error",
    )
