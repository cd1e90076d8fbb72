"""I1: a pod never holds more sessions than its slots, and nobody waits while a slot is free for it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.invariants import events
from tests.invariants.events import Kind

from greenroom_core.model import names
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.recovery import pause_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.invariants.replay import State, Step


class Capacity:
    name = "I1 slots"

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        pod = events.holder(step.after) if step.after is not None and step.event.kind is Kind.SESSION else None
        if pod is None or (step.before is not None and events.holder(step.before) == pod):
            return
        if pod not in state.slots:
            yield step.event.uid, f"bound to pod {pod}, which was never there"
        elif state.held[pod] > state.slots[pod]:
            yield step.event.uid, f"pod {pod} holds {state.held[pod]} sessions in {state.slots[pod]} slots"

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        yield from ()


class NoIdleWait:
    """`quiet_seconds`: how long a session may wait beside a free slot while nothing is bound in its runtime;
    `longest_seconds`: and how long at all. The pause that its status shows after losses is no waiting."""

    name = "I1 waiting"

    def __init__(self, quiet_seconds: float, longest_seconds: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._longest_seconds = longest_seconds
        self._waiting: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self._paused_until: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._last_bind: dict[str, float] = {}
        self._told: set[str] = set()

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        # What held until just now is judged first, then what holds from now on.
        yield from self._judge(state)
        runtime = runtime_of_step(step)
        waiting = self._waiting[runtime]
        if step.event.kind is Kind.SESSION:
            self._note(step, runtime, state.at)
        free = free_pods(runtime, state) if waiting else set()
        for uid, body in waiting.items():
            if may_use(body, free):
                self._since.setdefault(uid, max(state.at, self._paused_until[uid]))
            else:
                self._since.pop(uid, None)

    def _note(self, step: Step, runtime: str, at: float) -> None:
        uid, after = step.event.uid, step.after
        if after is not None and _waits(after):
            self._waiting[runtime][uid] = after
            self._paused_until.setdefault(uid, at + _pause_seconds(after))
            return
        self._waiting[runtime].pop(uid, None)
        self._paused_until.pop(uid, None)
        self._since.pop(uid, None)
        if after is not None and events.holder(after) is not None:
            self._last_bind[runtime] = at

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        yield from self._judge(state)

    def _judge(self, state: State) -> Iterator[tuple[str, str]]:
        for uid, since in self._since.items():
            if uid in self._told or uid not in state.sessions:
                continue
            last_bind = self._last_bind.get(events.runtime_of(state.sessions[uid]), since)
            quiet, whole = state.at - max(since, last_bind), state.at - since
            if quiet > self._quiet_seconds or whole > self._longest_seconds:
                self._told.add(uid)
                yield uid, f"waited {whole:.1f} s beside a free slot, {quiet:.1f} s since the last bind"


def runtime_of_step(step: Step) -> str:
    body = step.event.body
    match step.event.kind:
        case Kind.SESSION:
            return events.runtime_of(body)
        case Kind.POD:
            return events.label(body, names.RUNTIME_LABEL)
        case Kind.RUNTIME:
            return events.name(body)


def _pause_seconds(session: Mapping[str, Any]) -> float:
    """How long it is kept waiting, counted from the write that took it back."""
    last = events.status(session).get("lastAttempt") or {}
    paused = last.get("reason") == WaitReason.POD_LOST and last.get("attempt") == events.attempt(session)
    return pause_seconds(int(last.get("losses", 0))) if paused else 0.0


def _waits(session: Mapping[str, Any]) -> bool:
    return not events.ended(session) and events.pod_uid(session) is None and not events.end_asked(session)


def may_use(session: Mapping[str, Any], free: set[str]) -> bool:
    named = session["spec"].get("podName")
    return named in free if named else bool(free)


def free_pods(runtime: str, state: State) -> set[str]:
    """Names of the pods with a free slot. During a rollout only those count that are surely of the new revision."""
    fleet = state.runtime_named(runtime)
    pods = {uid: pod for uid, pod in state.pods.items() if events.label(pod, names.RUNTIME_LABEL) == runtime}
    if fleet is None or events.deleting(fleet) or not pods:
        return set()
    newest = max(pods.values(), key=lambda pod: (pod["metadata"]["creationTimestamp"], events.name(pod)))
    revision = events.label(newest, names.REVISION_LABEL)
    if events.status(fleet).get("revision") != revision:
        return set()
    return {
        events.name(pod)
        for uid, pod in pods.items()
        if events.open_to_sessions(pod)
        and events.label(pod, names.REVISION_LABEL) == revision
        and state.held[uid] < state.slots[uid]
    }
