"""I4: every session ends with a reason, or is withdrawn before a pod had it. None vanishes, none is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.invariants import events
from tests.invariants.events import Kind, Type

from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import FAILURES, EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.invariants.replay import State, Step


class Ends:
    name = "I4 ends"

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        if step.event.kind is not Kind.SESSION:
            return
        if step.event.type is Type.DELETED:
            last = step.before or step.event.body
            if not events.ended(last) and (events.attempt(last) > 0 or events.pod_uid(last) is not None):
                yield step.event.uid, f"vanished while {events.phase(last)}"
        already = step.before is not None and events.ended(step.before)
        if step.after is not None and events.ended(step.after) and not already:
            for text in _end(step.after):
                yield step.event.uid, text

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        for uid, body in state.sessions.items():
            if not events.ended(body):
                yield uid, f"still {events.phase(body)} at the end of the run"
            elif events.deleting(body):
                yield uid, f"deleted and ended, but kept by {body['metadata'].get('finalizers')}"


def _end(session: Mapping[str, Any]) -> Iterator[str]:
    state, phase = events.status(session), events.phase(session)
    reason = state.get("reason")
    if reason not in set(EndReason):
        yield f"{phase} for the reason {reason!r}"
        return
    expected = Phase.FAILED if reason in FAILURES else Phase.CLOSED
    if phase is not expected:
        yield f"{phase} for the reason {reason}, which stands for {expected}"
    if "endedAt" not in state:
        yield f"{phase} without endedAt"
