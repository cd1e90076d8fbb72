"""Walks through a recording in the order in which things happened, and knows the state at each step."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.invariants import events
from tests.invariants.events import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(slots=True)
class State:
    """Everything that exists after an event, by uid. `held` counts the sessions that pods hold."""

    at: float = 0.0
    sessions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    pods: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    runtimes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)

    def runtime_named(self, name: str) -> Mapping[str, Any] | None:
        return next((body for body in self.runtimes.values() if events.name(body) == name), None)

    def of_kind(self, kind: Kind) -> dict[str, Mapping[str, Any]]:
        return {Kind.SESSION: self.sessions, Kind.POD: self.pods, Kind.RUNTIME: self.runtimes}[kind]


@dataclass(frozen=True, slots=True)
class Step:
    """One event with the same object before it (None: not known) and after it (None: gone)."""

    event: Event
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def certain(self) -> bool:
        """Nothing can have happened between `before` and `after`."""
        return self.event.type not in (events.Type.LISTED, events.Type.MISSED)


class Rule(Protocol):
    """One promise. Each yields (uid of the session or pod, text) for what breaks it."""

    name: str

    def see(self, step: Step, state: State) -> Iterator[tuple[str, str]]: ...

    def finish(self, state: State) -> Iterator[tuple[str, str]]: ...


def replay(recording: Iterable[Event]) -> Iterator[tuple[Step, State]]:
    """In version order, without what a list repeated. The state is one object that goes on changing."""
    state = State()
    newest: dict[str, int] = defaultdict(lambda: -1)
    for event in sorted(recording, key=lambda item: item.version):
        if event.version <= newest[event.uid]:
            continue
        newest[event.uid] = event.version
        state.at = max(state.at, event.at)
        yield _applied(event, state), state


def _applied(event: Event, state: State) -> Step:
    known = state.of_kind(event.kind)
    before = known.pop(event.uid, None)
    after = None if event.gone else event.body
    if after is not None:
        known[event.uid] = after
    if event.kind is Kind.POD and after is not None:
        state.slots[event.uid] = events.slots(after)
    if event.kind is Kind.SESSION:
        for body, step in ((before, -1), (after, 1)):
            pod = events.holder(body) if body is not None else None
            if pod is not None:
                state.held[pod] += step
    return Step(event, before, after)
