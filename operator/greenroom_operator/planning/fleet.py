"""What one fleet of runtime pods needs: pods to make, to label idle, to delete. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_operator.planning.drain import Hold, held, hold
from greenroom_operator.planning.size import Demand, Size, at_first, largest, sized, surge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.fleet_snapshot import FleetSnapshot

IDLE_AFTER_SECONDS = 60.0
CREATE_AT_ONCE_PODS = 10
KEPT_FINISHED_PODS = 1
PROVING_SECONDS = 300.0


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
    live, revision = snapshot.live, snapshot.fleet.revision if snapshot.fleet is not None else ""
    shut = [pod for pod in live if snapshot.closed(pod)]
    current = [pod for pod in live if pod.revision == revision and not snapshot.closed(pod)]
    old = [pod for pod in live if pod.revision != revision and not snapshot.closed(pod)]
    size = _size(snapshot, current, old, len(live))
    missing = size.pods - len(current) - snapshot.being_made
    tries = missing > 0 and not snapshot.template_error
    makeable = tries and snapshot.template_error is not None
    early = tries and snapshot.now < snapshot.attempts.not_before
    return FleetPlan(
        size=size,
        try_template=tries and not makeable and not early,
        create=_create(snapshot, missing, current, old) if makeable and not early else 0,
        delete=(
            *_surplus(snapshot, current, len(current) - size.pods),
            *_outdated(snapshot, current, old, size.pods),
            *_surplus(snapshot, shut, len(shut)),
        ),
        unlabel=tuple(pod for pod in live if _over(_label_ends(snapshot, pod), snapshot.now)),
        wake_at=min(_wakes(snapshot, size, early=early), default=None),
        hold=hold(snapshot.fleet, snapshot.pods, missing if makeable else 0, snapshot.being_made),
    )


def _create(snapshot: FleetSnapshot, missing: int, current: Sequence[Pod], old: Sequence[Pod]) -> int:
    """How many now: not all at once, none before the finalizer stands, and in a rollout no more than it may add."""
    if not held(snapshot.fleet):
        return 0
    hands = max(CREATE_AT_ONCE_PODS - snapshot.being_made, 0)
    return min(missing, hands, _room(snapshot, len(current) + len(old), bool(old)))


def _wakes(snapshot: FleetSnapshot, size: Size, *, early: bool) -> Iterator[float]:
    ends = (_label_ends(snapshot, pod) for pod in snapshot.live)
    yield from (at for at in ends if at is not None and at > snapshot.now)
    if size.falls_at is not None:
        yield size.falls_at
    if early:
        yield snapshot.attempts.not_before


def _size(snapshot: FleetSnapshot, current: Sequence[Pod], old: Sequence[Pod], live: int) -> Size:
    fleet = snapshot.fleet
    if fleet is None or fleet.deleting:
        return Size(0)
    before = snapshot.size or at_first(live, snapshot.now)
    demand = Demand(snapshot.sessions_on(*current), snapshot.waiting, rolling=snapshot.sessions_on(*old) > 0)
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


def _empty(snapshot: FleetSnapshot, pod: Pod) -> bool:
    """No label, so no session: only such a pod is ever deleted."""
    return not pod.busy and not snapshot.sessions_on(pod)


def _surplus(snapshot: FleetSnapshot, pods: Sequence[Pod], count: int) -> list[Pod]:
    """The newest empty pods, those that are not ready first."""
    empty = [pod for pod in pods if _empty(snapshot, pod)]
    empty.sort(key=lambda pod: (not pod.ready, _created(pod)), reverse=True)
    return empty[: max(count, 0)]


def _outdated(snapshot: FleetSnapshot, current: Sequence[Pod], old: Sequence[Pod], wanted: int) -> list[Pod]:
    """Empty pods of old revisions, as far as the new ones already stand in for them: only those too many until the
    new revision has proven itself, so that all is still there if it does not, and none once its sessions fail."""
    if snapshot.trial.failing and snapshot.fleet is not None and not snapshot.fleet.deleting:
        return []
    standing = sum(pod.ready for pod in current) + len(old) - wanted
    kept = 0 if _proven(snapshot, current) else wanted
    return _surplus(snapshot, old, min(standing, len(old) - kept))


def _proven(snapshot: FleetSnapshot, current: Sequence[Pod]) -> bool:
    """A session has started on the newest revision, or one of its pods has been ready for a while."""
    if snapshot.trial.proven:
        return True
    since = [at for pod in current if (at := pod.ready_since) is not None]
    return bool(since) and (snapshot.wall - min(since)).total_seconds() >= PROVING_SECONDS


def _label_ends(snapshot: FleetSnapshot, pod: Pod) -> float | None:
    if not pod.busy or snapshot.sessions_on(pod):
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
