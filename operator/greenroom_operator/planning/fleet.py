"""What one fleet of runtime pods needs: pods to make, to label idle, to delete; and its status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenroom_core.model.meta import Condition, ConditionStatus, merged
from greenroom_core.model.runtime import AVAILABLE, PROGRESSING, RuntimeStatus
from greenroom_operator.planning.cordons import closed
from greenroom_operator.planning.drain import DELETING, Hold, held, hold, waits_for
from greenroom_operator.planning.size import Demand, Size, at_first, largest, sized, surge
from greenroom_operator.planning.trial import Trial
from greenroom_operator.planning.trouble import trouble

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from datetime import datetime

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.values import Fleet

IDLE_AFTER_SECONDS = 60.0
CREATE_AT_ONCE_PODS = 10
KEPT_FINISHED_PODS = 1
PROVING_SECONDS = 300.0
_LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """How the fleet's latest pods fared, and why the last of them failed; times are boot-clock seconds."""

    failures: int = 0
    last_failure_at: float = 0.0
    why: str = ""

    @property
    def not_before(self) -> float:
        """The first failure is mended at once, later ones after 1, 2, 4 … 60 s."""
        if self.failures <= 1:
            return 0.0
        return self.last_failure_at + min(2.0 ** (self.failures - 2), _LONGEST_BACKOFF_SECONDS)


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """One fleet as one look at it sees it. `fleet` is None when the AgentRuntime is gone.

    `sessions` counts the ledger's sessions by pod uid; `empty_since` tells, in boot-clock seconds, since when a
    labelled pod holds none; `being_made` are creations under way; `template_error` is the server's word on the
    template, "" when it is good, None when it has not been asked; `waiting` sessions may take any pod's slot; `size` is
    the one that the look before came to, None at the first; `trial` is that of the newest revision; `cordoned_nodes`
    are the names of nodes that `kubectl cordon` has closed.
    """

    now: float
    wall: datetime
    fleet: Fleet | None
    pods: Sequence[Pod]
    sessions: Mapping[str, int]
    empty_since: Mapping[str, float]
    being_made: int
    attempts: Attempts
    template_error: str | None
    waiting: int = 0
    size: Size | None = None
    trial: Trial = field(default_factory=Trial)
    cordoned_nodes: Container[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """`size` is the fleet's from now on; `create` more pods; delete and unlabel these; look again at `wake_at`
    (boot-clock seconds); `hold` is what the AgentRuntime's finalizer needs."""

    size: Size
    try_template: bool
    create: int
    delete: tuple[Pod, ...]
    unlabel: tuple[Pod, ...]
    wake_at: float | None
    hold: Hold | None = None


def plan_fleet(snapshot: FleetSnapshot) -> FleetPlan:
    live = _live(snapshot.pods)
    revision = snapshot.fleet.revision if snapshot.fleet is not None else ""
    shut = [pod for pod in live if _closed(snapshot, pod)]
    current = [pod for pod in live if pod.revision == revision and not _closed(snapshot, pod)]
    old = [pod for pod in live if pod.revision != revision and not _closed(snapshot, pod)]
    size = _size(snapshot, current, old, len(live))
    missing = size.pods - len(current) - snapshot.being_made
    wake = [at for at in (_label_ends(snapshot, pod) for pod in live) if at is not None and at > snapshot.now]
    if size.falls_at is not None:
        wake.append(size.falls_at)
    create = 0
    makeable = missing > 0 and snapshot.template_error == ""
    if makeable and held(snapshot.fleet):
        if snapshot.now >= snapshot.attempts.not_before:
            free_hands = max(CREATE_AT_ONCE_PODS - snapshot.being_made, 0)
            create = min(missing, free_hands, _room(snapshot, len(current) + len(old), bool(old)))
        else:
            wake.append(snapshot.attempts.not_before)
    return FleetPlan(
        size=size,
        try_template=missing > 0 and snapshot.template_error is None,
        create=create,
        delete=(
            *_surplus(snapshot, current, len(current) - size.pods),
            *_outdated(snapshot, current, old, size.pods),
            *_surplus(snapshot, shut, len(shut)),
        ),
        unlabel=tuple(pod for pod in live if _over(_label_ends(snapshot, pod), snapshot.now)),
        wake_at=min(wake, default=None),
        hold=hold(snapshot.fleet, snapshot.pods, missing if makeable else 0, snapshot.being_made),
    )


def _size(snapshot: FleetSnapshot, current: Sequence[Pod], old: Sequence[Pod], live: int) -> Size:
    fleet = snapshot.fleet
    if fleet is None or fleet.deleting:
        return Size(0)
    bound, before_it = (sum(snapshot.sessions.get(pod.metadata.uid, 0) for pod in pods) for pods in (current, old))
    before = snapshot.size or at_first(live, snapshot.now)
    demand = Demand(bound, snapshot.waiting, rolling=before_it > 0)
    return sized(fleet.runtime.spec, demand, before, snapshot.now)


def _room(snapshot: FleetSnapshot, live: int, rolling: bool) -> int:
    """How many pods a rollout may add now: old ones make way one by one as new ones get ready."""
    if not rolling or snapshot.fleet is None:
        return CREATE_AT_ONCE_PODS
    spec = snapshot.fleet.runtime.spec
    if snapshot.trial.failing:
        return 0
    return max(0, largest(spec) + surge(spec) - live - snapshot.being_made)


def finished_to_delete(pods: Sequence[Pod], *, kept: int = KEPT_FINISHED_PODS) -> list[Pod]:
    """Finished pods but for the newest, whose log is what one wants to read."""
    finished = [pod for pod in pods if pod.finished and not pod.leaving and pod.runtime]
    finished.sort(key=_created, reverse=True)
    return finished[kept:]


def fleet_status(
    snapshot: FleetSnapshot, fleet: Fleet, size: Size, shown: RuntimeStatus, pending: int, now: datetime
) -> RuntimeStatus:
    """The status to show; conditions keep the times of `shown` where nothing changed."""
    live = _live(snapshot.pods)
    ready = [pod for pod in live if pod.ready]
    sessions = sum(snapshot.sessions.get(pod.metadata.uid, 0) for pod in snapshot.pods)
    open_pods = [pod for pod in ready if pod.revision == fleet.revision and not _closed(snapshot, pod)]
    slots = sum(pod.slots for pod in live)
    free = sum(max(pod.slots - snapshot.sessions.get(pod.metadata.uid, 0), 0) for pod in open_pods)
    free = 0 if fleet.deleting else free
    meta = fleet.runtime.metadata
    conditions = shown.conditions
    for condition in (_available(len(ready), size.pods, now), _progressing(snapshot, fleet, size.pods, now)):
        conditions = merged(conditions, condition)
    return RuntimeStatus(
        pods=len(live),
        ready_pods=len(ready),
        slots=slots,
        free_slots=free,
        sessions=sessions,
        pending=pending,
        revision=fleet.revision,
        selector=f"greenroom.dev/runtime={meta.name}",
        observed_generation=meta.generation,
        conditions=conditions,
    )


def _live(pods: Iterable[Pod]) -> list[Pod]:
    """Pods that merely carry the label are nobody's to count, and never deleted."""
    return [pod for pod in pods if pod.runtime and not pod.finished and not pod.leaving]


def _closed(snapshot: FleetSnapshot, pod: Pod) -> bool:
    return closed(pod, snapshot.fleet, snapshot.cordoned_nodes)


def _empty(snapshot: FleetSnapshot, pod: Pod) -> bool:
    """No label, so no session: only such a pod is ever deleted."""
    return not pod.busy and not snapshot.sessions.get(pod.metadata.uid, 0)


def _surplus(snapshot: FleetSnapshot, pods: Sequence[Pod], count: int) -> list[Pod]:
    """The newest empty pods, those that are not ready first."""
    empty = [pod for pod in pods if _empty(snapshot, pod)]
    empty.sort(key=lambda pod: (not pod.ready, _created(pod)), reverse=True)
    return empty[: max(count, 0)]


def _outdated(snapshot: FleetSnapshot, current: Sequence[Pod], old: Sequence[Pod], wanted: int) -> list[Pod]:
    """Empty pods of old revisions, as far as the new ones already stand in for them: all but one until the new
    revision has proven itself, and none once its sessions fail."""
    if snapshot.trial.failing and snapshot.fleet is not None and not snapshot.fleet.deleting:
        return []
    standing = sum(pod.ready for pod in current) + len(old) - wanted
    kept = 0 if _proven(snapshot, current) or not wanted else 1
    return _surplus(snapshot, old, min(standing, len(old) - kept))


def _proven(snapshot: FleetSnapshot, current: Sequence[Pod]) -> bool:
    """A session has started on the newest revision, or one of its pods has been ready for a while."""
    if snapshot.trial.proven:
        return True
    since = [at for pod in current if (at := pod.ready_since) is not None]
    return bool(since) and (snapshot.wall - min(since)).total_seconds() >= PROVING_SECONDS


def _label_ends(snapshot: FleetSnapshot, pod: Pod) -> float | None:
    if not pod.busy or snapshot.sessions.get(pod.metadata.uid, 0):
        return None
    since = snapshot.empty_since.get(pod.metadata.uid)
    if snapshot.fleet is not None and snapshot.fleet.deleting:
        return since  # nothing will come that the label would have to be put on again for
    return since + IDLE_AFTER_SECONDS if since is not None else None


def _over(at: float | None, now: float) -> bool:
    return at is not None and now >= at


def _created(pod: Pod) -> str:
    created = pod.metadata.creation_timestamp
    return (created.isoformat() if created else "") + pod.metadata.name


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
    reason, message, good = "Complete", f"all pods have revision {fleet.revision}", True
    live = _live(snapshot.pods)
    if fleet.deleting:
        reason, message = DELETING, waits_for(snapshot.pods, snapshot.sessions)
    elif snapshot.template_error:
        reason, message, good = "TemplateInvalid", snapshot.template_error[:2000], False
    elif snapshot.attempts.failures > 1:
        failed, why = snapshot.attempts.failures, snapshot.attempts.why
        message = f"{failed} pods in a row ended before they were ready, the last: {why}".removesuffix(", the last: ")
        reason, good = "PodsFailing", False
    elif stuck := [(pod, found) for pod in live if (found := trouble(pod))]:
        pod, why = stuck[0]
        more = f" ({len(stuck)} pods do not start)" if len(stuck) > 1 else ""
        reason, message, good = "PodsNotStarting", f"pod {pod.metadata.name}: {why}{more}", False
    elif snapshot.trial.failing:
        reason, message, good = "SessionsFailing", _failing(snapshot.trial, fleet, live), False
    elif any(pod.revision != fleet.revision for pod in live):
        reason, message = "RollingOut", f"pods of older revisions leave when their last session ends ({fleet.revision})"
    elif len(live) < wanted:
        reason, message = "Creating", f"{len(live)} of {wanted} pods exist"
    return Condition(
        type=PROGRESSING,
        status=ConditionStatus.TRUE if good else ConditionStatus.FALSE,
        reason=reason,
        message=message,
        last_transition_time=now,
    )


def _failing(trial: Trial, fleet: Fleet, live: Sequence[Pod]) -> str:
    count = f"{trial.failed} of {trial.failed + trial.started} sessions failed at their start on revision"
    older = any(pod.revision != fleet.revision for pod in live)
    stopped = "; the rollout has stopped and older pods serve: apply a mended template, or the one before"
    return f"{count} {fleet.revision}, the last: {trial.message[:300]}{stopped if older else ''}"
