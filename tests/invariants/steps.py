"""I2 and I5: one live attempt at a time, lawful steps only, an end that stays, no bind once the end is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.invariants import events
from tests.invariants.events import Kind

from greenroom_core.model.phases import FOLLOWING, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.invariants.replay import State, Step

_IN_A_POD = {Phase.SCHEDULED, Phase.RUNNING, Phase.CLOSING}


class Steps:
    name = "I2 attempts"

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        if step.event.kind is not Kind.SESSION or step.after is None:
            return
        for text in (*_shape(step.after), *_change(step)):
            yield step.event.uid, text

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        yield from ()


class NoBindAfterClose:
    name = "I5 close"

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        before, after = step.before, step.after
        if step.event.kind is not Kind.SESSION or before is None or after is None or not step.certain:
            return
        if events.end_asked(before) and events.holder(before) is None and events.holder(after) is not None:
            yield step.event.uid, "bound though its end had been asked for"

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        yield from ()


def _shape(session: Mapping[str, Any]) -> Iterator[str]:
    state, phase = events.status(session), events.phase(session)
    if ("podUID" in state) != ("podName" in state):
        yield f"podName {state.get('podName')} and podUID {state.get('podUID')} do not go together"
    if phase is Phase.PENDING and "podUID" in state:
        yield "Pending in a pod"
    if phase in _IN_A_POD and "podUID" not in state:
        yield f"{phase} without a pod"
    if phase in _IN_A_POD and not state.get("attempt"):
        yield f"{phase} at attempt 0"


def _change(step: Step) -> Iterator[str]:
    before, after = step.before, step.after
    if before is None or after is None:
        if after is not None and step.certain and events.status(after) != {"phase": "Pending"}:
            yield f"created with the status {dict(events.status(after))}"
        return
    if events.ended(before):
        if events.status(before) != events.status(after):
            yield f"its status changed after its end: {_difference(before, after)}"
        return
    if events.attempt(after) < events.attempt(before):
        yield f"attempt went back from {events.attempt(before)} to {events.attempt(after)}"
    if step.certain:
        yield from _single_step(before, after)


def _single_step(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = events.phase(before), events.phase(after)
    if new is not old and new not in FOLLOWING[old]:
        yield f"{new} does not follow {old}"
    held, holds = events.pod_uid(before), events.pod_uid(after)
    grown = events.attempt(after) - events.attempt(before)
    if held is not None and holds is not None and held != holds:
        yield f"moved from pod {held} to {holds} without being unbound between"
    bound = held is None and holds is not None
    if grown != (1 if bound else 0):
        yield f"attempt grew by {grown} {'with a bind' if bound else 'without a bind'}"
    if bound and new is not Phase.SCHEDULED:
        yield f"bound straight to {new}"
    policy = (events.status(before).get("effective") or {}).get("restartPolicy", "Never")
    if new is Phase.PENDING and old in (Phase.RUNNING, Phase.CLOSING) and policy != "OnPodLoss":
        yield f"{old} went back to Pending though its restartPolicy is {policy}"
    last = events.status(after).get("lastAttempt") or {}
    if new is Phase.PENDING and old is not Phase.SCHEDULED and held is not None and last.get("reason") == "TakenBack":
        yield f"{old} was taken back as if its pod had not started it"


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = events.status(before), events.status(after)
    fields = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return ", ".join(f"{key}: {old.get(key)!r} -> {new.get(key)!r}" for key in fields)
