"""Lost, doubled, stuck, cut: what the four words of `make fault`'s last line mean. Pure; evidence in, findings out.

lost     a start that was acknowledged (or refused with anything but "try again") whose session vanished before its end,
         ended without a reason, or failed though nothing that was done explains it
doubled  two live agents of one session at a time, two sessions of one start, or a bind that no pod may hold
stuck    not ended, or waiting beside a free slot, after all is well again; or an agent that outlives its session
cut      a live agent that left, or vanished, though it had not finished, nobody had asked it to close, and nobody had
         killed its pod
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.fault.agents import Agent, agents, overlaps
from tests.invariants import KeyedAnswer, check, events
from tests.invariants.events import Kind

from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.fault.evidence import Evidence, Life
    from tests.invariants import Event


class Word(StrEnum):
    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"
    CUT = "cut"


WORD_OF_RULE = {
    "I1 slots": Word.DOUBLED,
    "I1 waiting": Word.STUCK,
    "I1 refusals": Word.LOST,
    "I2 attempts": Word.DOUBLED,
    "I3 limits": Word.DOUBLED,
    "I4 ends": Word.LOST,
    "I5 close": Word.STUCK,
    "I7 keys": Word.DOUBLED,
}
"""What the invariant checker finds counts, too; an end that never comes is stuck."""

_NEVER_ENDS = ("still", "deleted")

Findings = dict[Word, dict[str, str]]
"""By word: the session (or its call, where it has no name), and what is wrong with it."""

# The line that says that it has joined is written a moment after its script begins, or before.
_EARLY_SECONDS = 0.1


def judge(evidence: Evidence) -> Findings:
    """Each session counts once for each word."""
    findings: Findings = {word: {} for word in Word}
    for found in (_by_the_callers(evidence), _by_the_agents(evidence), _by_the_checker(evidence)):
        for word, subject, text in found:
            findings[word].setdefault(subject, text)
    return findings


_Found = tuple[Word, str, str]


def _by_the_checker(evidence: Evidence) -> Iterator[_Found]:
    answers = [KeyedAnswer(life.call, life.call, life.session) for life in evidence.lives if life.session]
    for violation in check(evidence.recording, evidence.tolerance, answers):
        word = WORD_OF_RULE[violation.rule]
        if violation.rule == "I4 ends" and violation.text.startswith(_NEVER_ENDS):
            word = Word.STUCK
        yield word, violation.subject, str(violation)


def _by_the_callers(evidence: Evidence) -> Iterator[_Found]:
    by_call = _last_of_each_call(evidence.recording)
    for life in evidence.lives:
        sessions = by_call.get(life.call, {})
        if len(sessions) > 1:
            names = sorted(events.name(event.body) for event in sessions.values())
            yield Word.DOUBLED, names[0], f"one start made {len(sessions)} sessions: {names}"
        found = _of_its_life(life, next(iter(sessions.values()), None), evidence)
        if found is not None:
            yield found[0], life.session or life.call, found[1]


def _of_its_life(life: Life, last: Event | None, evidence: Evidence) -> tuple[Word, str] | None:
    """What became of the session, beside what its caller was told. `last`: its last event, None when it never was."""
    if life.status is None:
        return Word.STUCK, f"call {life.call}: its start has got no answer"
    if last is None:
        return Word.LOST, f"answered {life.status}, and it never was there"
    if not events.ended(last.body):
        if last.gone:
            return Word.LOST, f"vanished while {events.phase(last.body)}"
        return Word.STUCK, f"still {_told(last.body)}"
    if not life.acknowledged and not _lost_with_its_pod(last.body, evidence):
        return Word.LOST, f"its start was answered {life.status}: {_told(last.body)}"
    if life.acknowledged and not _as_was_to_come(life, last.body, evidence):
        return Word.LOST, f"ended as {_told(last.body)}"
    return None


def _as_was_to_come(life: Life, body: Mapping[str, Any], evidence: Evidence) -> bool:
    match events.status(body).get("reason"):
        case EndReason.FINISHED:
            return life.finish_seconds is not None
        case EndReason.CLOSE_REQUESTED:
            return life.close_asked_at is not None
        case EndReason.POD_LOST:
            return not life.again and _lost_with_its_pod(body, evidence)
    return False


def _lost_with_its_pod(body: Mapping[str, Any], evidence: Evidence) -> bool:
    state = events.status(body)
    killed = {item.pod for item in evidence.killed}
    return state.get("reason") == EndReason.POD_LOST and state.get("podName") in killed


def _by_the_agents(evidence: Evidence) -> Iterator[_Found]:
    living = agents(evidence.lines)
    killed_at = {item.pod: item.at for item in evidence.killed}
    pods = _pods_left(evidence.recording)
    lives = _lives_by_session(evidence)
    for agent in overlaps(living, killed_at):
        yield Word.DOUBLED, agent.session, f"a second agent, in pod {agent.pod}, beside a live one"
    for agent in living:
        if agent.left_at is not None:
            if agent.joined_at is not None and not _may_leave(lives.get(agent.session), agent):
                yield Word.CUT, agent.session, f"its agent in pod {agent.pod} left, and nobody had asked it to"
        elif agent.pod in pods:
            yield Word.STUCK, agent.session, f"its agent in pod {agent.pod} is still there"
        elif agent.pod not in killed_at:
            yield Word.CUT, agent.session, f"its agent went with pod {agent.pod}, which nobody had killed"


def _may_leave(life: Life | None, agent: Agent) -> bool:
    assert agent.left_at is not None
    assert agent.joined_at is not None
    if life is None:
        return False
    if life.close_asked_at is not None and life.close_asked_at <= agent.left_at:
        return True
    return life.finish_seconds is not None and agent.left_at - agent.joined_at > life.finish_seconds - _EARLY_SECONDS


def _last_of_each_call(recording: Sequence[Event]) -> dict[str, dict[str, Event]]:
    """By call and uid."""
    last: dict[str, dict[str, Event]] = {}
    for event in sorted(recording, key=lambda event: event.version):
        if event.kind is Kind.SESSION:
            last.setdefault(events.call_of(event.body), {})[event.uid] = event
    return last


def _lives_by_session(evidence: Evidence) -> dict[str, Life]:
    """Also of those whose caller never learnt their name."""
    lives = {life.call: life for life in evidence.lives}
    sessions = (event.body for event in evidence.recording if event.kind is Kind.SESSION)
    return {events.name(body): lives[events.call_of(body)] for body in sessions if events.call_of(body) in lives}


def _pods_left(recording: Sequence[Event]) -> set[str]:
    """Names of those whose process is there, as far as the API server knows."""
    last: dict[str, Event] = {}
    for event in sorted(recording, key=lambda event: event.version):
        if event.kind is Kind.POD:
            last[events.name(event.body)] = event
    over = ("Failed", "Succeeded")
    return {
        name for name, event in last.items() if not event.gone and events.status(event.body).get("phase") not in over
    }


def _told(body: Mapping[str, Any]) -> str:
    state = events.status(body)
    return f"{events.phase(body)} {state.get('reason', '')} {state.get('message', '')}".strip()
