"""What `status` of an AgentRuntime says: figures, and conditions in the words of whoever knows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_core.model.meta import Condition, ConditionStatus, merged
from greenroom_core.model.runtime import AVAILABLE, PROGRESSING, RuntimeStatus
from greenroom_operator.planning.drain import DELETING, waits_for
from greenroom_operator.planning.leaving import leaving_pods, told
from greenroom_operator.planning.placement import serving, takes_sessions
from greenroom_operator.planning.trouble import trouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.fleet_snapshot import FleetSnapshot
    from greenroom_operator.planning.size import Size
    from greenroom_operator.planning.trial import Trial
    from greenroom_operator.planning.values import Fleet

DRAINING = "Draining"
"""Reason of the condition Progressing while pods leave and still hold sessions."""

_GOOD = frozenset({"Complete", "Creating", "RollingOut", DRAINING, DELETING})
_MAX_CHARACTERS = 2000


def fleet_status(
    snapshot: FleetSnapshot, fleet: Fleet, size: Size, shown: RuntimeStatus, pending: int, now: datetime
) -> RuntimeStatus:
    """The status to show; conditions keep the times of `shown` where nothing changed."""
    live = snapshot.live
    ready = [pod for pod in live if pod.ready]
    leaving = leaving_pods(snapshot, fleet)
    meta = fleet.runtime.metadata
    conditions = shown.conditions
    for condition in (_available(len(ready), size.pods, now), _progressing(snapshot, fleet, size.pods, now)):
        conditions = merged(conditions, condition)
    return RuntimeStatus(
        pods=len(live),
        ready_pods=len(ready),
        slots=sum(pod.slots for pod in live),
        free_slots=free_slots(snapshot, fleet),
        sessions=snapshot.sessions_on(*snapshot.pods),
        pending=pending,
        leaving_pods=len(leaving),
        leaving_sessions=sum(item.sessions for item in leaving),
        revision=fleet.revision,
        selector=f"greenroom.dev/runtime={meta.name}",
        observed_generation=meta.generation,
        conditions=conditions,
    )


def free_slots(snapshot: FleetSnapshot, fleet: Fleet) -> int:
    """Of the pods that the next sessions go to."""
    if fleet.deleting:
        return 0
    open_pods = [pod for pod in snapshot.live if takes_sessions(pod) and not snapshot.closed(pod)]
    pods = serving(fleet, open_pods, failing=snapshot.trial.failing)
    return sum(max(pod.slots - snapshot.sessions_on(pod), 0) for pod in pods)


def _available(ready: int, wanted: int, now: datetime) -> Condition:
    good = ready >= min(wanted, 1)
    return Condition(
        type=AVAILABLE,
        status=ConditionStatus.TRUE if good else ConditionStatus.FALSE,
        reason="PodsReady" if good else "NoReadyPod",
        message=f"{ready} of {wanted} pods are ready",
        last_transition_time=now,
    )


def _progressing(snapshot: FleetSnapshot, fleet: Fleet, wanted: int, now: datetime) -> Condition:
    reason, message = _state(snapshot, fleet, wanted)
    return Condition(
        type=PROGRESSING,
        status=ConditionStatus.TRUE if reason in _GOOD else ConditionStatus.FALSE,
        reason=reason,
        message=message[:_MAX_CHARACTERS],
        last_transition_time=now,
    )


def _state(snapshot: FleetSnapshot, fleet: Fleet, wanted: int) -> tuple[str, str]:
    """What is in the way, the gravest first; else what goes on."""
    live, attempts = snapshot.live, snapshot.attempts
    if fleet.deleting:
        return DELETING, waits_for(snapshot.pods, snapshot.sessions)
    if snapshot.template_error:
        return "TemplateInvalid", snapshot.template_error
    if attempts.refusal and len(live) < wanted:
        return "PodsRefused", f"the API server takes no pod: {attempts.refusal}"
    if attempts.failures > 1:
        return "PodsFailing", f"pods end before they are ready, {attempts.failures} times in a row: {attempts.why}"
    if stuck := [(pod, found) for pod in live if (found := trouble(pod))]:
        pod, why = stuck[0]
        more = f" ({len(stuck)} pods do not start)" if len(stuck) > 1 else ""
        return "PodsNotStarting", f"pod {pod.metadata.name}: {why}{more}"
    if snapshot.trial.failing:
        return "SessionsFailing", _failing(snapshot.trial, fleet, live)
    leaving = leaving_pods(snapshot, fleet)
    if any(pod.revision != fleet.revision for pod in live):
        text = f"pods of older revisions than {fleet.revision} leave when their last session ends"
        return "RollingOut", f"{text}; {told(leaving)}"
    if any(item.sessions for item in leaving):
        return DRAINING, told(leaving)
    if len(live) < wanted:
        return "Creating", f"{len(live)} of {wanted} pods exist"
    return "Complete", f"all pods have revision {fleet.revision}"


def _failing(trial: Trial, fleet: Fleet, live: Sequence[Pod]) -> str:
    count = f"{trial.failed} of {trial.failed + trial.started} sessions failed at their start on revision"
    older = any(pod.revision != fleet.revision for pod in live)
    stopped = "; the rollout has stopped and older pods serve: apply a mended template, or the one before"
    return f"{count} {fleet.revision}, the last: {trial.message[:300]}{stopped if older else ''}"
