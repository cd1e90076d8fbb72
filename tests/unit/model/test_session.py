"""Phases, reasons, conditions and what a session, a pod and a runtime say of themselves."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom_core.model import names
from greenroom_core.model.meta import Condition, ConditionStatus, ObjectMeta, find, merged
from greenroom_core.model.metrics import SessionMetrics, every_figure
from greenroom_core.model.phases import FOLLOWING, TERMINAL, Phase
from greenroom_core.model.pod import Pod
from greenroom_core.model.reasons import FAILURES, MOVED, EndReason, WaitReason
from greenroom_core.model.session import AgentSession, SessionSpec, SessionStatus

_AT = datetime(2030, 1, 1, tzinfo=UTC)


def session(status: SessionStatus | None = None, **meta: Any) -> AgentSession:
    return AgentSession(metadata=ObjectMeta(**meta), spec=SessionSpec(call_id="c"), status=status or SessionStatus())


def test_every_phase_has_its_followers_and_only_terminal_ones_have_none() -> None:
    assert set(FOLLOWING) == set(Phase)
    assert {phase for phase, after in FOLLOWING.items() if not after} == TERMINAL
    assert {phase for phase in Phase if phase.terminal} == {Phase.CLOSED, Phase.FAILED}


@pytest.mark.parametrize("start", [phase for phase in Phase if not phase.terminal])
def test_every_phase_can_end_both_ways_and_only_pending_needs_no_way_back(start: Phase) -> None:
    assert FOLLOWING[start] >= TERMINAL
    assert start not in FOLLOWING[start]
    assert (Phase.PENDING in FOLLOWING[start]) is (start is not Phase.PENDING)


def test_running_comes_only_after_scheduled() -> None:
    assert [phase for phase, after in FOLLOWING.items() if Phase.RUNNING in after] == [Phase.SCHEDULED]


def test_reasons_are_the_closed_lists_that_clients_rely_on() -> None:
    assert {reason.value for reason in EndReason} == {
        "Finished",
        "CloseRequested",
        "MaxDuration",
        "Idle",
        "Deleted",
        "Drained",
        "PodLost",
        "StartDeadline",
        "StartTimeout",
        "NoCapacity",
        "MaxSessionsPerCall",
        "MaxConcurrentSessions",
        "AgentError",
        "InvalidSpec",
    }
    closed = {"Finished", "CloseRequested", "MaxDuration", "Idle", "Deleted", "Drained"}
    assert {reason.value for reason in set(EndReason) - FAILURES} == closed
    assert set(WaitReason) >= MOVED


@pytest.mark.parametrize(
    ("phase", "pod_uid", "bound", "ended"),
    [
        (Phase.PENDING, None, False, False),
        (Phase.SCHEDULED, "u", True, False),
        (Phase.RUNNING, "u", True, False),
        (Phase.CLOSING, "u", True, False),
        (Phase.CLOSED, "u", False, True),
        (Phase.FAILED, None, False, True),
    ],
)
def test_session_is_bound_while_a_pod_has_it_and_it_has_not_ended(
    phase: Phase, pod_uid: str | None, bound: bool, ended: bool
) -> None:
    found = session(SessionStatus(phase=phase, pod_uid=pod_uid))
    assert (found.bound, found.ended) == (bound, ended)


@pytest.mark.parametrize(("value", "asked"), [("true", True), ("false", True), ("0", True), ("", False), (None, False)])
def test_any_non_empty_annotation_asks_for_the_end(value: str | None, asked: bool) -> None:
    annotations = {} if value is None else {names.CLOSE_REQUESTED: value}
    assert session(annotations=annotations).close_requested is asked


def test_deletion_timestamp_says_that_a_session_is_being_deleted() -> None:
    assert not session().deleting
    assert session(deletion_timestamp=_AT).deleting


def test_object_of_the_wire_is_read_with_what_is_absent_at_its_default_and_what_is_unknown_passed_over() -> None:
    raw = b'{"metadata":{"name":"s","namespace":"n","resourceVersion":"12","later":1},"spec":{"callId":"c","x":1}}'
    read = msgspec.json.decode(raw, type=AgentSession)
    assert (read.metadata.version, read.metadata.key) == (12, "n/s")
    assert (read.spec.call_type, read.spec.runtime, read.spec.parameters) == ("default", "default", {})
    assert read.status.phase is Phase.PENDING


def test_what_is_at_its_default_does_not_travel_and_the_uid_has_its_own_spelling() -> None:
    assert msgspec.to_builtins(SessionStatus()) == {}
    assert msgspec.to_builtins(SessionStatus(pod_uid="u", attempt=1)) == {"podUID": "u", "attempt": 1}


@given(st.tuples(*[st.text(max_size=8)] * 4), st.tuples(*[st.text(max_size=8)] * 4))
def test_same_four_values_give_the_same_name_and_others_another(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    # No value may hold the separator: HTTP headers, paths and namespaces cannot.
    one, other = (tuple(part.replace("\0", "") for part in parts) for parts in (one, other))  # type: ignore[assignment]
    name = names.idempotent_session_name(*one)
    assert (name == names.idempotent_session_name(*other)) is (one == other)
    assert uuid.UUID(name).version == 5
    assert re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)


def condition(type_: str, status: ConditionStatus, at: datetime, reason: str = "R") -> Condition:
    return Condition(type=type_, status=status, reason=reason, last_transition_time=at)


def test_condition_of_the_same_status_keeps_the_time_of_its_transition() -> None:
    later = _AT + timedelta(seconds=5)
    before = (condition("Ready", ConditionStatus.TRUE, _AT), condition("Joined", ConditionStatus.FALSE, _AT))
    after = merged(before, condition("Ready", ConditionStatus.TRUE, later, "Other"))
    ready = find(after, "Ready")
    assert ready is not None
    assert (ready.last_transition_time, ready.reason) == (_AT, "Other")
    changed = find(merged(before, condition("Ready", ConditionStatus.FALSE, later)), "Ready")
    assert changed is not None
    assert changed.last_transition_time == later
    assert find(after, "Joined") == before[1]
    assert find(after, "Scheduled") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(ConditionStatus))), max_size=12))
def test_conditions_stay_one_of_a_type_and_the_last_word_wins(told: list[tuple[str, ConditionStatus]]) -> None:
    held: tuple[Condition, ...] = ()
    for number, (type_, status) in enumerate(told):
        held = merged(held, condition(type_, status, _AT + timedelta(seconds=number)))
    assert {item.type: item.status for item in held} == dict(told)
    assert len(held) == len(dict(told))


def test_there_are_25_figures_and_averages_without_a_sample_are_none() -> None:
    figures = every_figure(None)
    assert len(figures) == 25
    assert {value for name, value in figures.items() if name.endswith("__avg")} == {None}
    assert {value for name, value in figures.items() if name.endswith("__total")} == {0}
    assert all(name.endswith(("__avg", "__total")) for name in figures)
    assert every_figure(SessionMetrics(llm_tool_calls__total=3))["llm_tool_calls__total"] == 3


def pod(**parts: Any) -> Pod:
    return msgspec.convert(parts, Pod)


OWNER = {"apiVersion": names.API_VERSION, "kind": "AgentRuntime", "name": "voice", "uid": "u-1", "controller": True}


def test_pod_says_its_runtime_revision_slots_and_whether_it_is_busy() -> None:
    labels = {names.RUNTIME_LABEL: "voice", names.REVISION_LABEL: "abc", names.BUSY_LABEL: "true"}
    annotations = {names.SLOTS_ANNOTATION: "7"}
    found = pod(metadata={"labels": labels, "annotations": annotations, "ownerReferences": [OWNER]})
    assert found.owner_uid == "u-1"
    assert (found.runtime, found.revision, found.slots, found.busy) == ("voice", "abc", 7, True)
    bare = pod(metadata={"annotations": {names.SLOTS_ANNOTATION: "many"}})
    assert (bare.runtime, bare.revision, bare.slots, bare.busy) == ("", "", 0, False)


@pytest.mark.parametrize(
    "owners",
    [
        [],
        [{**OWNER, "name": "other"}],
        [{**OWNER, "controller": False}],
        [{**OWNER, "kind": "ReplicaSet", "apiVersion": "apps/v1"}],
        [{**OWNER, "apiVersion": "example.com/v1"}],
    ],
    ids=["nobody's", "of another", "not its controller", "a ReplicaSet's", "of another group"],
)
def test_a_pod_that_only_carries_the_label_is_none_of_ours(owners: list[dict[str, Any]]) -> None:
    assert pod(metadata={"labels": {names.RUNTIME_LABEL: "voice"}, "ownerReferences": owners}).runtime == ""


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_pod_is_ready_only_when_its_condition_is_true(status: str, ready: bool) -> None:
    assert pod(status={"conditions": [{"type": "Ready", "status": status}]}).ready is ready


@pytest.mark.parametrize(
    ("phase", "over"), [("Running", False), ("Pending", False), ("Failed", True), ("Succeeded", True)]
)
def test_pod_that_failed_or_succeeded_is_finished(phase: str, over: bool) -> None:
    assert pod(status={"phase": phase}).finished is over
    assert not pod(status={"phase": phase}).leaving
