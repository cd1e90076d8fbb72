"""What an AgentRuntime says of the pods that are on their way out."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.test_fleet import seen
from tests.unit.operator.worlds import NOW, fleet, pod

from greenroom_core.model.meta import find
from greenroom_core.model.runtime import RuntimeStatus
from greenroom_operator.planning.fleet_status import fleet_status
from greenroom_operator.planning.size import Size
from greenroom_operator.planning.trial import Trial


def shown(*pods: Any, of: Any = None, **world: Any) -> tuple[RuntimeStatus, str, str]:
    """The status, with reason and message of Progressing."""
    of = of or fleet(replicas=1)
    status = fleet_status(seen(*pods, of=of, **world), of, Size(1), RuntimeStatus(), pending=0, now=NOW)
    found = find(status.conditions, "Progressing")
    assert found is not None
    return status, found.reason, found.message


def test_deleted_and_cordoned_pods_are_counted_with_what_they_hold_and_named() -> None:
    pods = [pod("stays"), pod("goes", leaving_for=5), pod("closed", cordoned=True), pod("empty", leaving_for=1)]
    status, reason, message = shown(*pods, sessions={"uid-stays": 4, "uid-goes": 2, "uid-closed": 1})
    assert (status.leaving_pods, status.leaving_sessions, status.sessions) == (3, 3, 7)
    assert reason == "Draining"
    assert message == (
        "pods on their way out: 3, sessions that they still hold: 3 (goes (deleted) 2, closed (cordoned) 1)"
    )


def test_only_some_are_named() -> None:
    pods = [pod(f"p{number}", cordoned=True) for number in range(5)]
    _, _, message = shown(pod("stays"), *pods, sessions={f"uid-p{number}": 1 for number in range(5)})
    assert message.endswith("(p0 (cordoned) 1, p1 (cordoned) 1, p2 (cordoned) 1, 2 more)")


def test_empty_pods_that_go_are_no_drain() -> None:
    status, reason, _ = shown(pod("stays"), pod("goes", leaving_for=1))
    assert (status.leaving_pods, status.leaving_sessions, reason) == (1, 0, "Complete")


def test_pods_that_have_ended_hold_nothing() -> None:
    status, _, _ = shown(pod("stays"), pod("over", leaving_for=9, phase="Succeeded"), sessions={"uid-over": 1})
    assert (status.leaving_pods, status.leaving_sessions) == (0, 0)


def test_a_rollout_says_what_older_pods_still_hold() -> None:
    status, reason, message = shown(pod("new"), pod("old", revision="r0"), sessions={"uid-old": 2})
    assert (status.leaving_pods, status.leaving_sessions, reason) == (1, 2, "RollingOut")
    assert message == (
        "pods of older revisions than rev1 leave when their last session ends; "
        "pods on their way out: 1, sessions that they still hold: 2 (old (older revision) 2)"
    )


def test_older_pods_that_serve_since_the_newest_fail_are_not_leaving() -> None:
    status, reason, _ = shown(
        pod("new"), pod("old", revision="r0"), sessions={"uid-old": 2}, trial=Trial(started=0, failed=5)
    )
    assert (status.leaving_pods, reason) == (0, "SessionsFailing")
