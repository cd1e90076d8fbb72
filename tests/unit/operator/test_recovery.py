"""Sessions whose pod is lost: what is kept, when they are bound again, and where it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator.worlds import KEY, NOW, ago, fleet, pod, session, snapshot

from greenroom_core.model.meta import Condition, ConditionStatus
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.recovery import RESTARTS_IN_A_ROW
from greenroom_core.model.session import AgentSession, Effective, LastAttempt, RestartPolicy, SessionLimits
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import Admit, Bind, Snapshot, WriteStatus
from greenroom_operator.state.ledger import Ledger

MAY_RUN_AGAIN = Effective(restart_policy=RestartPolicy.ON_POD_LOSS)
BOUND = {"phase": Phase.SCHEDULED, "pod_name": "p1", "pod_uid": "uid-p1", "attempt": 1, "scheduled_at": ago(5)}
RUNNING = {**BOUND, "phase": Phase.RUNNING, "started_at": ago(4), "joined_at": ago(3), "revision": "rev1"}


def record(losses: int, *, ended: float, attempt: int = 1, first_started: float | None = None) -> LastAttempt:
    return LastAttempt(
        attempt=attempt,
        pod_name="p0",
        ended_at=ago(ended),
        reason=WaitReason.POD_LOST,
        first_started_at=None if first_started is None else ago(first_started),
        losses=losses,
    )


def lost(losses: int, *, ended: float, name: str = "s1", **more: Any) -> AgentSession:
    """Waits after so many losses in a row, the last some seconds ago."""
    waits = Condition(type="Scheduled", status=ConditionStatus.FALSE, reason="PodLost", last_transition_time=ago(ended))
    status = {"attempt": 1, "conditions": (waits,), "effective": MAY_RUN_AGAIN, **more}
    return session(name, age=500, last_attempt=record(losses, ended=ended), **status)


def only(world: Snapshot) -> Any:
    [action] = [action for action in plan(world).actions if not isinstance(action, Admit)]
    return action


def after_loss(held: AgentSession) -> WriteStatus:
    write = only(snapshot([held], [pod()], of=fleet(), lost=["uid-p1"]))
    assert isinstance(write, WriteStatus)
    return write


def test_the_lost_attempt_is_kept_in_the_write_that_takes_the_session_back() -> None:
    write = after_loss(session(**RUNNING, effective=MAY_RUN_AGAIN))
    assert write.purpose == "take-back"
    assert write.fields["lastAttempt"] == LastAttempt(
        attempt=1,
        pod_name="p1",
        revision="rev1",
        started_at=ago(4),
        joined_at=ago(3),
        ended_at=NOW,
        reason=WaitReason.POD_LOST,
        message="pod p1 was lost",
        first_started_at=ago(4),
        losses=1,
    )
    [scheduled] = [found for found in write.fields["conditions"] if found.type == "Scheduled"]
    assert (scheduled.reason, scheduled.message) == ("PodLost", "pod p1 was lost")


def test_the_condition_says_how_many_were_lost_and_until_when_it_pauses() -> None:
    write = after_loss(session(**{**RUNNING, "attempt": 3}, effective=MAY_RUN_AGAIN, last_attempt=record(2, ended=9)))
    [scheduled] = [found for found in write.fields["conditions"] if found.type == "Scheduled"]
    assert scheduled.message == "pod p1 was lost, 3 in a row; not bound again before 2026-01-01T12:00:04+00:00"


def test_after_the_first_loss_it_is_bound_at_once() -> None:
    assert isinstance(only(snapshot([lost(1, ended=0)], [pod("p2")], of=fleet())), Bind)


@pytest.mark.parametrize(("losses", "pause"), [(2, 2), (3, 4), (6, 32)])
def test_it_pauses_longer_from_loss_to_loss_and_is_looked_at_when_that_is_over(losses: int, pause: float) -> None:
    waits = plan(snapshot([lost(losses, ended=pause - 0.5)], [pod("p2")], of=fleet()))
    assert waits.actions == (), "nothing is written either"
    assert waits.wake == {"uid-s1": NOW + timedelta(seconds=0.5)}
    assert waits.short == {KEY: 0}, "nobody makes a pod for it yet"
    over = only(snapshot([lost(losses, ended=pause)], [pod("p2")], of=fleet()))
    assert isinstance(over, Bind)
    assert over.fields["attempt"] == 2


def test_others_are_not_kept_waiting_by_one_that_pauses() -> None:
    other = session("s2", age=1)
    write = only(snapshot([lost(3, ended=1), other], [pod("p2", slots=1)], of=fleet()))
    assert write.session.metadata.name == "s2"


def test_it_counts_for_the_limits_while_it_pauses() -> None:
    ledger, pausing = Ledger(), lost(3, ended=1)
    ledger.admit(pausing)
    write = only(snapshot([pausing, session("s2", age=1)], [pod("p2")], of=fleet(per_call=1), ledger=ledger))
    assert (write.session.metadata.name, write.fields["reason"]) == ("s2", EndReason.MAX_SESSIONS_PER_CALL)


def test_its_start_deadline_counts_from_the_end_of_the_pause() -> None:
    assert plan(snapshot([lost(6, ended=32 + 59)], of=fleet())).wake["uid-s1"] == NOW + timedelta(seconds=1)
    end = only(snapshot([lost(6, ended=32 + 60)], of=fleet()))
    assert end.fields["reason"] is EndReason.START_DEADLINE


@pytest.mark.parametrize(("asked", "reason"), [("close", EndReason.CLOSE_REQUESTED), ("deleting", EndReason.DELETED)])
def test_it_can_be_ended_while_it_pauses(asked: str, reason: EndReason) -> None:
    end = only(snapshot([lost(6, ended=1, **{asked: True})], [pod("p2")], of=fleet()))
    assert end.fields["reason"] is reason


@pytest.mark.parametrize("state", [BOUND, RUNNING], ids=["before its agent was built", "running"])
def test_one_loss_too_many_is_the_end(state: dict[str, Any]) -> None:
    again = {**state, "attempt": 9}
    once_more = record(RESTARTS_IN_A_ROW - 1, ended=9, attempt=8)
    write = after_loss(session(**again, effective=MAY_RUN_AGAIN, last_attempt=once_more))
    assert write.fields["phase"] is Phase.PENDING
    write = after_loss(session(**again, effective=MAY_RUN_AGAIN, last_attempt=record(RESTARTS_IN_A_ROW, ended=9)))
    assert (write.fields["phase"], write.fields["reason"]) == (Phase.FAILED, EndReason.POD_LOST)
    assert write.fields["message"] == "pod p1 was lost: 7 pods lost in a row"


def test_a_long_run_is_no_crash_loop() -> None:
    ran = {**RUNNING, "attempt": 9, "started_at": ago(601)}
    write = after_loss(session(**ran, effective=MAY_RUN_AGAIN, last_attempt=record(RESTARTS_IN_A_ROW, ended=900)))
    assert write.fields["lastAttempt"].losses == 1


def test_it_ends_between_two_pods_when_it_has_lasted_as_long_as_it_may() -> None:
    longest = Effective(limits=SessionLimits(max_duration_seconds=100), restart_policy=RestartPolicy.ON_POD_LOSS)

    def begun(seconds: float) -> Snapshot:
        waits = session(
            attempt=1, effective=longest, last_attempt=record(4, ended=1, first_started=seconds), age=seconds
        )
        return snapshot([waits], [pod("p2")], of=fleet())

    assert plan(begun(99)).wake == {"uid-s1": NOW + timedelta(seconds=1)}, "sooner than its pause is over"
    end = only(begun(100))
    assert (end.fields["phase"], end.fields["reason"]) == (Phase.CLOSED, EndReason.MAX_DURATION)


def test_what_a_pod_lets_lie_is_kept_on_record_without_a_loss() -> None:
    held = session(**{**BOUND, "scheduled_at": ago(75)})
    write = only(snapshot([held], [pod()], of=fleet()))
    kept = write.fields["lastAttempt"]
    assert (kept.attempt, kept.reason, kept.losses) == (1, WaitReason.TAKEN_BACK, 0)
