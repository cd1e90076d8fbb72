"""Judges a day: the promises as the recording shows them, and that nobody ended a call that had run but on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.invariants import Event, Kind, Tolerance, check
from tests.invariants import events as read
from tests.simulation.clients import START_LABEL
from tests.simulation.drawing import TROUBLES

from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.simulation.journal import Deeds, Journal
    from tests.simulation.script import Script

CALM = Tolerance()
BAD = Tolerance(quiet_seconds=60.0, longest_seconds=120.0, decision_seconds=60.0)
_CLOCKS_DIFFER_SECONDS = 1.0
_SLOTS_TAKEN = "slots of the pod are taken"


def judged(script: Script, journal: Journal) -> list[str]:
    """What broke a promise, each with the history of its session."""
    troubled = bool(script.faults) or any(event.what in TROUBLES for event in script.events)
    found = [str(each) for each in check(journal.events, BAD if troubled else CALM, journal.answers)]
    return found + list(_ends(journal)) + list(_returns(journal.events))


def _ends(journal: Journal) -> Iterator[str]:
    """I6: each end of a session that has run, and each move of one, has a cause in what was done."""
    last: dict[str, Mapping[str, Any]] = {}
    for event in journal.events:
        if event.kind is not Kind.SESSION:
            continue
        before = last.get(event.uid)
        last[event.uid] = event.body
        if before is None or event.gone or read.phase(before) not in (Phase.RUNNING, Phase.CLOSING):
            continue
        pod = read.pod_uid(before)
        if read.phase(event.body) is Phase.PENDING and not _pod_suffered(journal.deeds, pod):
            yield f"I6 cut: {read.name(event.body)} was moved, though nothing was done to its pod"
        if read.ended(event.body) and not _explained(event, before, journal.deeds):
            state = read.status(event.body)
            yield f"I6 cut: {read.name(event.body)} ended as {state.get('reason')}: {state.get('message')}"


def _explained(event: Event, before: Mapping[str, Any], deeds: Deeds) -> bool:
    body, state = event.body, read.status(event.body)
    act = body["spec"].get("parameters", {}).get("act", {})
    pod = read.pod_uid(before)
    match EndReason(state["reason"]):
        case EndReason.FINISHED:
            return "talk" in act
        case EndReason.CLOSE_REQUESTED:
            return read.name(body) in deeds.closed or _loose(body, deeds)
        case EndReason.DELETED:
            return event.uid in deeds.deleted or _loose(body, deeds)
        case EndReason.MAX_DURATION:
            return "maxDurationSeconds" in body["spec"].get("limits", {})
        case EndReason.DRAINED:
            return _pod_suffered(deeds, pod)
        case EndReason.POD_LOST:
            return pod in deeds.lost_pods or pod in deeds.told_pods
        case EndReason.AGENT_ERROR:
            return act.get("fails") == "call"
        case _:
            return False


def _pod_suffered(deeds: Deeds, pod: str | None) -> bool:
    return pod in deeds.lost_pods or pod in deeds.told_pods


def _loose(body: Mapping[str, Any], deeds: Deeds) -> bool:
    """Whoever started it has gone, so it was withdrawn."""
    return read.label(body, START_LABEL) in deeds.loose


def _returns(recording: list[Event]) -> Iterator[str]:
    """A pod is full only where sessions were taken from it that it had not let go of yet: it frees a slot before it
    says so, and the operator counts what it gives."""
    taken_from: set[str] = set()
    last: dict[str, Mapping[str, Any]] = {}
    for event in recording:
        if event.kind is not Kind.SESSION:
            continue
        before = last.get(event.uid)
        last[event.uid] = event.body
        pod = read.holder(before) if before is not None else None
        if pod is None or (read.holder(event.body) == pod and not event.gone):
            continue
        shown = read.condition(event.body, "Scheduled")
        returned = shown is not None and shown.get("reason") == "Returned" and read.pod_uid(event.body) is None
        if not returned and (event.gone or read.pod_uid(event.body) is None or _by_operator(event.body)):
            taken_from.add(pod)
        if returned and _SLOTS_TAKEN in shown.get("message", "") and pod not in taken_from:
            yield f"I1 slots: {read.name(event.body)} was bound to a pod that was full: {shown.get('message')}"


def _by_operator(body: Mapping[str, Any]) -> bool:
    return read.status(body).get("reason") == EndReason.POD_LOST
