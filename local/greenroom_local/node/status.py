"""What a pod's status says, from what the node knows of its process. No I/O and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom_local.node.pod import LocalPod


@dataclass(frozen=True, slots=True)
class Facts:
    """The process so far. `exit_code` as the kernel gives it, negative for a signal; `problem` is why it could not be
    started, or was ended by the node. `ready_since` is when `ready` last changed."""

    seen_at: datetime
    started_at: datetime | None = None
    ready: bool = False
    ready_since: datetime | None = None
    exit_code: int | None = None
    ended_at: datetime | None = None
    reason: str = ""
    problem: str = ""

    @property
    def over(self) -> bool:
        return self.ended_at is not None

    @property
    def phase(self) -> str:
        if self.over:
            return "Succeeded" if self.exit_code == 0 else "Failed"
        return "Pending" if self.started_at is None else "Running"


def status_of(pod: LocalPod, facts: Facts, address: str) -> dict[str, Any]:
    """The whole `.status`. The node is its only writer once the pod is bound."""
    status: dict[str, Any] = {
        "phase": facts.phase,
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _time(facts.seen_at),
        "qosClass": pod.status.get("qosClass", "BestEffort"),
        "conditions": _conditions(facts),
        "containerStatuses": [_container(pod, facts)],
    }
    if facts.problem:
        status |= {"reason": facts.reason, "message": facts.problem}
    return status


def _conditions(facts: Facts) -> list[dict[str, Any]]:
    changed = facts.ready_since or facts.seen_at
    return [
        _condition("PodScheduled", True, facts.seen_at, ""),
        _condition("Initialized", True, facts.seen_at, ""),
        _condition("ContainersReady", facts.ready, changed, _not_ready(facts)),
        _condition("Ready", facts.ready, changed, _not_ready(facts)),
    ]


def _not_ready(facts: Facts) -> str:
    if facts.ready:
        return ""
    return {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(facts.phase, "ContainersNotReady")


def _condition(type_: str, true: bool, since: datetime, reason: str) -> dict[str, Any]:
    condition = {"type": type_, "status": "True" if true else "False", "lastTransitionTime": _time(since)}
    return condition | ({"reason": reason} if reason else {})


def _container(pod: LocalPod, facts: Facts) -> dict[str, Any]:
    return {
        "name": pod.container["name"],
        "image": pod.container.get("image", ""),
        "imageID": "",
        "ready": facts.ready,
        "started": facts.started_at is not None and not facts.over,
        "restartCount": 0,
        "state": _state(facts),
    }


def _state(facts: Facts) -> dict[str, Any]:
    if not facts.over:
        if facts.started_at is None:
            return {"waiting": {"reason": "ContainerCreating"}}
        return {"running": {"startedAt": _time(facts.started_at)}}
    code = 128 if facts.exit_code is None else facts.exit_code
    terminated: dict[str, Any] = {
        # A process ended by a signal shows as containers do: 128 and the signal's number.
        "exitCode": 128 - code if code < 0 else code,
        "reason": facts.reason or ("Completed" if code == 0 else "Error"),
        "finishedAt": _time(facts.ended_at or facts.seen_at),
    }
    if code < 0:
        terminated["signal"] = -code
    if facts.started_at is not None:
        terminated["startedAt"] = _time(facts.started_at)
    if facts.problem:
        terminated["message"] = facts.problem
    return {"terminated": terminated}


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
