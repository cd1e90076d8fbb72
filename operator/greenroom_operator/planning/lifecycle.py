"""What a single session needs from the operator, placement apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from greenroom_core.model import names, recovery
from greenroom_core.model.meta import find
from greenroom_core.model.phases import Phase
from greenroom_core.model.queue import waiting_since
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.session import SCHEDULED, RestartPolicy
from greenroom_operator.planning import pinned, status
from greenroom_operator.planning.effective import TAKE_BACK_SECONDS, effective, start_deadline_seconds
from greenroom_operator.planning.shortage import shortage
from greenroom_operator.planning.values import (
    DeleteSession,
    ExamineOnlyPod,
    ExaminePod,
    SessionWrite,
    SetFinalizers,
    Snapshot,
    WriteStatus,
    runtime_key,
)

if TYPE_CHECKING:
    from greenroom_core.model.pod import Pod
    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

SHOW_WAIT_AFTER = timedelta(seconds=1)
TERMINATING_IS_LOST_AFTER = timedelta(seconds=60)

Answer = tuple[SessionWrite | ExaminePod | ExamineOnlyPod | None, datetime | None]
NOTHING: Answer = (None, None)


def fleet_runtime(session: AgentSession, snapshot: Snapshot) -> AgentRuntime | None:
    fleet = snapshot.fleets.get(runtime_key(session))
    return fleet.runtime if fleet is not None else None


def ended(session: AgentSession, snapshot: Snapshot) -> Answer:
    """A session in a terminal phase: let it go when it is deleted, delete it when its time is over."""
    if session.deleting:
        return _released(session), None
    ttl = pinned.kept_seconds(session)
    if ttl is None:
        settings = session.status.effective or effective(session, fleet_runtime(session, snapshot))
        ttl = settings.ttl_seconds_after_finished
    if ttl is None or session.status.ended_at is None:
        return NOTHING
    over_at = session.status.ended_at + timedelta(seconds=ttl)
    return (DeleteSession(session), None) if snapshot.now >= over_at else (None, over_at)


def unbound(session: AgentSession, snapshot: Snapshot) -> Answer:
    """A session that no pod holds: end it if somebody asked, or if it waits too long or in vain."""
    if session.deleting and session.status.attempt == 0:
        return _released(session), None
    if session.deleting:
        return _end(session, EndReason.DELETED, "deleted while it was being moved", snapshot), None
    if session.close_requested:
        return _end(session, EndReason.CLOSE_REQUESTED, "closed before a pod took it", snapshot), None
    over_at = recovery.lasts_until(session)
    if over_at is not None and snapshot.now >= over_at:
        why = "it had lasted as long as it may, between two pods"
        return _end(session, EndReason.MAX_DURATION, why, snapshot), None
    action, wake_at = _waiting(session, snapshot)
    return action, wake_at if over_at is None or wake_at is None else min(over_at, wake_at)


def _waiting(session: AgentSession, snapshot: Snapshot) -> Answer:
    """A session that is to be bound: not before its pause is over, and not after its start deadline."""
    again_at = recovery.paused_until(session)
    if again_at is not None and snapshot.now < again_at:
        return _only_pod(session, snapshot), again_at
    seconds = start_deadline_seconds(session, fleet_runtime(session, snapshot))
    deadline = waiting_since(session) + timedelta(seconds=seconds)
    if snapshot.now < deadline:
        return _only_pod(session, snapshot), deadline
    _, why = cause(session, snapshot)
    return _end(session, EndReason.START_DEADLINE, f"no slot in {seconds:g} s: {why}", snapshot), None


def _only_pod(session: AgentSession, snapshot: Snapshot) -> WriteStatus | ExamineOnlyPod | None:
    """Ends a session whose only pod will never take it. A pod that is not known is read first."""
    if session.spec.pod_name is None:
        return None
    pod = pinned.known_pod(session, snapshot.pods)
    if pod is not None:
        ending = pinned.refusal(session, pod)
    elif (ending := snapshot.unplaceable.get(session.metadata.uid)) is None:
        return ExamineOnlyPod(session)
    return _end(session, *ending, snapshot) if ending is not None else None


def bound(session: AgentSession, snapshot: Snapshot) -> Answer:
    """A session that a pod holds: nothing, unless the pod is lost or lets it lie."""
    state = session.status
    if state.pod_uid in snapshot.lost:
        return _after_loss(session, snapshot), None
    pod = snapshot.pods.get(state.pod_uid or "")
    if pod is None or pod.finished:
        return ExaminePod(session.metadata.namespace, state.pod_name or "", state.pod_uid or ""), None
    gone_at = presumed_gone_at(pod)
    if gone_at is not None and snapshot.now >= gone_at:
        return ExaminePod(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid), None
    if state.phase is not Phase.SCHEDULED or state.scheduled_at is None:
        return None, gone_at
    overdue_at = state.scheduled_at + timedelta(seconds=TAKE_BACK_SECONDS)
    if snapshot.now >= overdue_at:
        why = f"pod {state.pod_name} did not start it in {TAKE_BACK_SECONDS:g} s"
        record = recovery.last_attempt(state, WaitReason.TAKEN_BACK, why, snapshot.now)
        return WriteStatus(session, "take-back", status.take_back(session, record, snapshot.epoch)), None
    return None, overdue_at if gone_at is None else min(gone_at, overdue_at)


def presumed_gone_at(pod: Pod) -> datetime | None:
    """When a Terminating pod that is not Ready counts as lost: its node does not answer any more."""
    if pod.metadata.deletion_timestamp is None or pod.ready:
        return None
    return pod.metadata.deletion_timestamp + TERMINATING_IS_LOST_AFTER


def is_lost(pod: Pod, uid: str, now: datetime) -> bool:
    """The verdict on a pod just read from the API server; a 404 is the caller's to know."""
    if pod.metadata.uid != uid or pod.finished:
        return True
    gone_at = presumed_gone_at(pod)
    return gone_at is not None and now >= gone_at


def wait_notice(session: AgentSession, snapshot: Snapshot) -> Answer:
    """Shows why a session still waits after a second, once for each cause."""
    shown_at = waiting_since(session) + SHOW_WAIT_AFTER
    if snapshot.now < shown_at:
        return None, shown_at
    reason, message = cause(session, snapshot)
    condition = find(session.status.conditions, SCHEDULED)
    if condition is not None and condition.reason == reason.value:
        return NOTHING
    return WriteStatus(session, "wait", status.wait(session, reason, message, snapshot.now)), None


def cause(session: AgentSession, snapshot: Snapshot) -> tuple[WaitReason, str]:
    """Why the session waits, for people."""
    name = session.spec.runtime
    fleet = snapshot.fleets.get(runtime_key(session))
    if fleet is None:
        return WaitReason.RUNTIME_NOT_FOUND, f"there is no AgentRuntime {name!r} in this namespace: create it"
    if fleet.deleting:
        return WaitReason.RUNTIME_DELETING, f"AgentRuntime {name!r} is being deleted and takes no new session"
    if session.spec.pod_name is not None:
        return WaitReason.POD_NOT_AVAILABLE, f"pod {session.spec.pod_name} is not ready or has no free slot"
    return shortage(fleet.runtime)


def _released(session: AgentSession) -> SetFinalizers | None:
    kept = tuple(name for name in session.metadata.finalizers if name != names.LEAVE_CALL)
    return SetFinalizers(session, kept) if len(kept) < len(session.metadata.finalizers) else None


def _end(session: AgentSession, reason: EndReason, message: str, snapshot: Snapshot) -> WriteStatus:
    return WriteStatus(session, "end", status.end(session, reason, message, snapshot.epoch, snapshot.now))


def _after_loss(session: AgentSession, snapshot: Snapshot) -> WriteStatus:
    if session.deleting:
        return _end(session, EndReason.DELETED, "deleted; its pod is gone", snapshot)
    if session.close_requested:
        return _end(session, EndReason.CLOSE_REQUESTED, "closed; its pod is gone", snapshot)
    settings = session.status.effective or effective(session, fleet_runtime(session, snapshot))
    only_scheduled = session.status.phase is Phase.SCHEDULED
    message = f"pod {session.status.pod_name} was lost"
    if not only_scheduled and settings.restart_policy is RestartPolicy.NEVER:
        return _end(session, EndReason.POD_LOST, message, snapshot)
    record = recovery.last_attempt(session.status, WaitReason.POD_LOST, message, snapshot.now)
    if record.losses > recovery.RESTARTS_IN_A_ROW:
        return _end(session, EndReason.POD_LOST, f"{message}: {record.losses} pods lost in a row", snapshot)
    return WriteStatus(session, "take-back", status.take_back(session, record, snapshot.epoch))
