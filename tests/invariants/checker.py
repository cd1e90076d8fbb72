"""Runs all rules over one recording."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.invariants import events
from tests.invariants.ends import Ends
from tests.invariants.events import Event, Kind
from tests.invariants.keys import KeyedAnswer, differing
from tests.invariants.limits import Limits
from tests.invariants.refusals import Refusals
from tests.invariants.replay import Rule, State, replay
from tests.invariants.slots import Capacity, NoIdleWait
from tests.invariants.steps import NoBindAfterClose, Steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How long a session may wait beside a free slot: without any bind in its runtime, and at all; and how old the
    state may be that a decision rests on when it is seen."""

    quiet_seconds: float = 3.0
    longest_seconds: float = 20.0
    decision_seconds: float = 5.0


CALM = Tolerance()


@dataclass(frozen=True, slots=True)
class Violation:
    """`history` has one line for each event of the session (or pod)."""

    rule: str
    subject: str
    text: str
    history: tuple[str, ...]

    def __str__(self) -> str:
        return "\n    ".join((f"{self.rule}: {self.subject}: {self.text}", *self.history))


def rules(tolerance: Tolerance) -> tuple[Rule, ...]:
    return (
        Capacity(),
        NoIdleWait(tolerance.quiet_seconds, tolerance.longest_seconds),
        Steps(),
        NoBindAfterClose(),
        Limits(tolerance.decision_seconds),
        Refusals(tolerance.decision_seconds),
        Ends(),
    )


def check(
    recording: Sequence[Event], tolerance: Tolerance = CALM, answers: Iterable[KeyedAnswer] = ()
) -> list[Violation]:
    """What broke a promise; empty when all held."""
    judges = rules(tolerance)
    found: list[tuple[str, str, str]] = []
    state = State()
    for step, state in replay(recording):
        found += [(rule.name, uid, text) for rule in judges for uid, text in rule.see(step, state)]
    found += [(rule.name, uid, text) for rule in judges for uid, text in rule.finish(state)]
    violations = _told(found, recording)
    return violations + [Violation("I7 keys", name, text, ()) for name, text in differing(answers)]


def assert_holds(recording: Sequence[Event], tolerance: Tolerance = CALM, answers: Iterable[KeyedAnswer] = ()) -> None:
    """Raises AssertionError with every violation; also when nothing was recorded, since that shows nothing."""
    assert any(event.kind is Kind.SESSION for event in recording), "no session was recorded: nothing has been checked"
    violations = check(recording, tolerance, answers)
    assert not violations, f"{len(violations)} violations\n" + "\n".join(map(str, violations[:20]))


def _told(found: Iterable[tuple[str, str, str]], recording: Sequence[Event]) -> list[Violation]:
    lines: dict[str, list[str]] = defaultdict(list)
    names: dict[str, str] = {}
    begun = min((event.at for event in recording), default=0.0)
    for event in sorted(recording, key=lambda item: item.version):
        names[event.uid] = events.name(event.body)
        lines[event.uid].append(_line(event, begun))
    return [Violation(rule, names.get(uid, uid), text, tuple(lines[uid])) for rule, uid, text in found]


def _line(event: Event, begun: float) -> str:
    state = events.status(event.body)
    conditions = ",".join(
        f"{item['type']}={item['status']}/{item.get('reason', '')}" for item in state.get("conditions") or ()
    )
    shown = {
        "phase": state.get("phase"),
        "attempt": state.get("attempt"),
        "pod": state.get("podName"),
        "podUID": state.get("podUID"),
        "epoch": state.get("epoch"),
        "reason": state.get("reason"),
        "message": state.get("message"),
        "asked": "end" if event.kind is Kind.SESSION and events.end_asked(event.body) else None,
        "conditions": conditions or None,
        "finalizers": ",".join(event.body["metadata"].get("finalizers") or ()) or None,
    }
    fields = " ".join(f"{key}={value}" for key, value in shown.items() if value is not None)
    return f"{event.at - begun:8.3f} s  v{event.version} {event.type} {fields}"
