"""How long a session pauses after its pods were lost, what is kept of an attempt, and how long it lasts in all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from greenroom_core.model.meta import Condition, ConditionStatus, ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.queue import waiting_since
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.recovery import last_attempt, lasts_until, pause_seconds, paused_until, pauses
from greenroom_core.model.session import AgentSession, Effective, SessionLimits, SessionSpec, SessionStatus

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
RUNNING = SessionStatus(
    phase=Phase.RUNNING, pod_name="p1", pod_uid="u1", attempt=1, revision="r", started_at=NOW, joined_at=NOW
)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def session(status: SessionStatus) -> AgentSession:
    return AgentSession(metadata=ObjectMeta(creation_timestamp=NOW), spec=SessionSpec(call_id="c"), status=status)


def without_pod(status: SessionStatus, reason: WaitReason, at: datetime) -> SessionStatus:
    """As it stands after it was taken back, or given back."""
    waits = Condition(
        type="Scheduled", status=ConditionStatus.FALSE, reason=reason.value, message="", last_transition_time=at
    )
    return structs.replace(
        status,
        phase=Phase.PENDING,
        pod_name=None,
        pod_uid=None,
        started_at=None,
        joined_at=None,
        last_attempt=last_attempt(status, reason, "why", at),
        conditions=(waits,),
    )


def bound_again(status: SessionStatus, at: datetime) -> SessionStatus:
    return structs.replace(
        status, phase=Phase.RUNNING, pod_name="p", pod_uid="u", attempt=status.attempt + 1, started_at=at
    )


@pytest.mark.parametrize(
    ("losses", "pause"), [(0, 0), (1, 0), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (50, 60)]
)
def test_the_first_loss_is_mended_at_once_and_each_further_one_later(losses: int, pause: float) -> None:
    assert pause_seconds(losses) == pause


def test_what_is_kept_of_an_attempt() -> None:
    kept = last_attempt(RUNNING, WaitReason.POD_LOST, "pod p1 was lost", NOW + seconds(5))
    assert structs.asdict(kept) == {
        "attempt": 1,
        "pod_name": "p1",
        "revision": "r",
        "started_at": NOW,
        "joined_at": NOW,
        "ended_at": NOW + seconds(5),
        "reason": WaitReason.POD_LOST,
        "message": "pod p1 was lost",
        "first_started_at": NOW,
        "losses": 1,
    }


def test_losses_in_a_row_add_up_and_the_pause_counts_from_the_last() -> None:
    status, at = RUNNING, NOW
    for pause in (0, 2, 4, 8):
        at += seconds(1)
        status = without_pod(status, WaitReason.POD_LOST, at)
        until = at + seconds(pause) if pause else None
        assert paused_until(session(status)) == until
        if until is not None:
            assert pauses(session(status), until - seconds(0.001))
            assert not pauses(session(status), until)
            assert waiting_since(session(status)) == until, "the start deadline counts from there"
        at += seconds(pause)
        status = bound_again(status, at)
        assert paused_until(session(status)) is None, "a pod has it"


@pytest.mark.parametrize(("ran_seconds", "losses"), [(599, 3), (600, 3), (601, 1)])
def test_a_pod_that_ran_it_long_begins_a_new_row(ran_seconds: float, losses: int) -> None:
    status = without_pod(RUNNING, WaitReason.POD_LOST, NOW)
    status = without_pod(bound_again(status, NOW), WaitReason.POD_LOST, NOW)
    status = without_pod(bound_again(status, NOW), WaitReason.POD_LOST, NOW + seconds(ran_seconds))
    assert status.last_attempt is not None
    assert status.last_attempt.losses == losses


@pytest.mark.parametrize("reason", [WaitReason.RETURNED, WaitReason.TAKEN_BACK])
def test_giving_back_and_taking_back_are_no_losses_and_need_no_pause(reason: WaitReason) -> None:
    lost_twice = without_pod(bound_again(without_pod(RUNNING, WaitReason.POD_LOST, NOW), NOW), WaitReason.POD_LOST, NOW)
    moved = without_pod(bound_again(lost_twice, NOW), reason, NOW)
    assert moved.last_attempt is not None
    assert moved.last_attempt.losses == 2, "but they do not begin a new row either"
    assert paused_until(session(moved)) is None


def test_a_session_given_back_unstarted_need_not_pause_for_the_attempt_before() -> None:
    lost_twice = without_pod(bound_again(without_pod(RUNNING, WaitReason.POD_LOST, NOW), NOW), WaitReason.POD_LOST, NOW)
    returned = structs.replace(lost_twice, attempt=lost_twice.attempt + 1)
    assert paused_until(session(returned)) is None


@pytest.mark.parametrize("longest", [None, 100.0])
def test_the_longest_duration_counts_from_the_first_start(longest: float | None) -> None:
    limits: dict[str, Any] = {"max_duration_seconds": longest}
    first = structs.replace(RUNNING, effective=Effective(limits=SessionLimits(**limits)))
    second = bound_again(without_pod(first, WaitReason.POD_LOST, NOW + seconds(30)), NOW + seconds(40))
    third = without_pod(second, WaitReason.POD_LOST, NOW + seconds(50))
    for status in (first, second, third):
        assert lasts_until(session(status)) == (None if longest is None else NOW + seconds(100))
