"""I3: maxConcurrentSessions and maxSessionsPerCall are never exceeded, and refuse nobody without need."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from tests.invariants import events
from tests.invariants.events import Kind

from greenroom_core.model.reasons import UNDECIDED, EndReason
from greenroom_core.model.session import SCHEDULED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.invariants.replay import State, Step

_LIMITS = {
    "maxConcurrentSessions": EndReason.MAX_CONCURRENT_SESSIONS,
    "maxSessionsPerCall": EndReason.MAX_SESSIONS_PER_CALL,
}
_Scope = tuple[str, ...]


class Limits:
    """A session counts from the operator's first decision that can be seen: bound, or told why it waits for a slot.
    That there is no AgentRuntime to take it is no decision: nobody has held it to a limit yet.

    A decision may rest on what was true up to `decision_seconds` ago: for so long both the old and the new value of a
    limit, and every count that there was, may be in the operator's mind.
    """

    name = "I3 limits"

    def __init__(self, decision_seconds: float) -> None:
        self._decision_seconds = decision_seconds
        self._values: dict[tuple[str, str], deque[tuple[float, int | None]]] = defaultdict(deque)
        self._counting: dict[_Scope, set[str]] = defaultdict(set)
        self._living: dict[_Scope, set[str]] = defaultdict(set)
        self._living_most: dict[_Scope, deque[tuple[float, int]]] = defaultdict(deque)

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]:
        if step.event.kind is Kind.RUNTIME:
            self._learn(step, state)
        elif step.event.kind is Kind.SESSION:
            uid, body = step.event.uid, step.after
            for limit, scope in _scopes(step.event.body).items():
                yield from self._refusal(uid, limit, scope, step, state)
                self._live(uid, scope, body, state)
                yield from self._count(uid, limit, scope, body, state)

    def finish(self, state: State) -> Iterator[tuple[str, str]]:
        yield from ()

    def _learn(self, step: Step, state: State) -> None:
        runtime = events.name(step.event.body)
        values = step.event.body["spec"].get("limits") or {} if step.after is not None else {}
        for limit in _LIMITS:
            known = self._values[(runtime, limit)]
            if not known or known[-1][1] != values.get(limit):
                known.append((state.at, values.get(limit)))

    def _recent(self, runtime: str, limit: str, at: float) -> list[int | None]:
        """Every value that the limit may have for the operator now."""
        known = self._values[(runtime, limit)]
        while len(known) > 1 and known[1][0] < at - self._decision_seconds:
            known.popleft()
        return [value for _, value in known] or [None]

    def _count(
        self, uid: str, limit: str, scope: _Scope, body: Mapping[str, Any] | None, state: State
    ) -> Iterator[tuple[str, str]]:
        counting = self._counting[scope]
        if body is None or not _decided(body):
            counting.discard(uid)
            return
        if uid in counting:
            return
        counting.add(uid)
        values = self._recent(scope[1], limit, state.at)
        highest = None if None in values else max(value for value in values if value is not None)
        if highest is not None and len(counting) > highest:
            names = ", ".join(sorted(events.name(state.sessions[other]) for other in counting))
            yield uid, f"{limit} is {highest}, and {len(counting)} count in {'/'.join(scope[1:])}: {names}"

    def _live(self, uid: str, scope: _Scope, body: Mapping[str, Any] | None, state: State) -> None:
        living, most = self._living[scope], self._living_most[scope]
        if body is None or events.ended(body):
            living.discard(uid)
        else:
            living.add(uid)
        most.append((state.at, len(living)))
        while len(most) > 1 and most[0][0] < state.at - self._decision_seconds:
            most.popleft()

    def _refusal(self, uid: str, limit: str, scope: _Scope, step: Step, state: State) -> Iterator[tuple[str, str]]:
        body = step.after
        newly = body is not None and (step.before is None or not events.ended(step.before))
        if body is None or not newly or events.status(body).get("reason") != _LIMITS[limit]:
            return
        values = [value for value in self._recent(scope[1], limit, state.at) if value is not None]
        most = max((count for _, count in self._living_most[scope]), default=1)
        if not values:
            yield uid, f"refused by {limit}, which is not set"
        elif most - 1 < min(values):
            yield uid, f"refused by {limit} of {min(values)} with at most {most - 1} others in {'/'.join(scope[1:])}"


def _scopes(session: Mapping[str, Any]) -> dict[str, _Scope]:
    runtime = events.runtime_of(session)
    return {
        "maxConcurrentSessions": ("runtime", runtime),
        "maxSessionsPerCall": ("call", runtime, events.call_of(session)),
    }


def _decided(session: Mapping[str, Any]) -> bool:
    shown = events.condition(session, SCHEDULED)
    decided = shown is not None and shown.get("reason") not in UNDECIDED
    return (events.attempt(session) > 0 or decided) and not events.ended(session)
