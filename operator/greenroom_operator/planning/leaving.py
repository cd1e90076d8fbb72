"""Which pods of a fleet are on their way out, why, and what they still hold: the progress of drains. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
    from greenroom_operator.planning.values import Fleet

_NAMED = 3


@dataclass(frozen=True, slots=True)
class LeavingPod:
    """It takes no new session, or will not as soon as others can; `why` is a word for people."""

    pod: Pod
    why: str
    sessions: int


def leaving_pods(snapshot: FleetSnapshot, fleet: Fleet) -> list[LeavingPod]:
    """The fullest first. Those that have ended hold nothing and are gone already."""
    found = [
        LeavingPod(pod, why, snapshot.sessions_on(pod))
        for pod in snapshot.pods
        if pod.runtime and not pod.finished and (why := _why(snapshot, fleet, pod))
    ]
    return sorted(found, key=lambda item: (-item.sessions, item.pod.metadata.name))


def told(pods: list[LeavingPod]) -> str:
    """For people, with the names of the fullest."""
    holding = [item for item in pods if item.sessions]
    named = [f"{item.pod.metadata.name} ({item.why}) {item.sessions}" for item in holding[:_NAMED]]
    if len(holding) > _NAMED:
        named.append(f"{len(holding) - _NAMED} more")
    text = f"pods on their way out: {len(pods)}, sessions that they still hold: {sum(item.sessions for item in pods)}"
    return f"{text} ({', '.join(named)})" if named else text


def _why(snapshot: FleetSnapshot, fleet: Fleet, pod: Pod) -> str:
    """Empty for a pod that stays."""
    if pod.leaving:
        return "deleted"
    if snapshot.closed(pod):
        return "cordoned"
    if fleet.deleting:
        return "its AgentRuntime is deleted"
    # Pods of older revisions serve again when the newest one fails.
    return "older revision" if pod.revision != fleet.revision and not snapshot.trial.failing else ""
