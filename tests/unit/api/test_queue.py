"""A session that waits for a slot is told its place in the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs
from tests.unit.api.rig import rig, virtual

from greenroom_api.backend import QueuePlace
from greenroom_api.cluster.queue import place
from greenroom_core.model.meta import Condition, ConditionStatus, ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import WaitReason
from greenroom_core.model.session import AgentSession, LastAttempt, SessionSpec, SessionStatus

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
FIVE_MINUTES = 300


def session(
    name: str, *, age: float = 10.0, priority: int = 0, runtime: str = "default", team: str = "", **status: Any
) -> AgentSession:
    labels = {"team": team} if team else {}
    created = NOW - timedelta(seconds=age)
    meta = ObjectMeta(name=name, namespace="ns", uid=name, creation_timestamp=created, labels=labels)
    return AgentSession(
        metadata=meta,
        spec=SessionSpec(call_id="c", priority=priority, runtime=runtime),
        status=SessionStatus(**status),
    )


def bound(name: str, ago: float, team: str = "") -> AgentSession:
    at = NOW - timedelta(seconds=ago)
    return session(name, team=team, phase=Phase.RUNNING, pod_uid="p", pod_name="p", attempt=1, scheduled_at=at)


def position(mine: AgentSession, *others: AgentSession, fair_by: str | None = None) -> int | None:
    found = place(mine, [mine, *others], NOW, fair_by)
    return found.position if found is not None else None


def test_priority_goes_first_and_then_age() -> None:
    mine = session("mine", age=10)
    assert position(mine) == 1
    assert position(mine, session("older", age=20), session("younger", age=5)) == 2
    assert position(mine, session("urgent", age=1, priority=5)) == 2
    assert position(mine, session("elsewhere", age=20, runtime="other")) == 1
    assert position(mine, bound("bound", 5), session("over", age=20, phase=Phase.CLOSED)) == 1


def test_whoever_pauses_after_losses_stands_in_no_queue() -> None:
    def lost(seconds_ago: float) -> AgentSession:
        at = NOW - timedelta(seconds=seconds_ago)
        waits = Condition(type="Scheduled", status=ConditionStatus.FALSE, reason="PodLost", last_transition_time=at)
        last = LastAttempt(attempt=3, ended_at=at, reason=WaitReason.POD_LOST, losses=3)
        return session("lost", age=100, attempt=3, conditions=(waits,), last_attempt=last)

    mine = session("mine", age=3)
    assert place(lost(1), [mine, lost(1)], NOW) == QueuePlace(None, None, "PodLost")
    assert position(mine, lost(1)) == 1, "it keeps nobody waiting"
    assert position(lost(6), mine) == 1, "its pause was over when the other's wait began"
    assert position(lost(4), mine) == 2, "and this one's a moment later"


def test_callers_take_turns_where_the_runtime_says_so() -> None:
    mine = session("mine", age=1, team="red")
    blue = [session(f"blue-{number}", age=50 - number, team="blue") for number in range(20)]
    assert position(mine, *blue) == 21
    assert position(mine, *blue, fair_by="team") == 2, "after the oldest of blue's"
    assert position(mine, *blue, bound("b", 5, team="blue"), fair_by="team") == 1, "blue holds a slot, red none"
    assert position(mine, *blue, bound("r", 5, team="red"), fair_by="team") == 2, "as many, and blue was just served"
    assert position(mine, *blue, session("other", age=9, team="blue", priority=1), fair_by="team") == 2
    elsewhere = bound("e", 5, team="red")
    other_runtime = structs.replace(elsewhere, spec=structs.replace(elsewhere.spec, runtime="other"))
    assert position(mine, *blue, other_runtime, fair_by="team") == 2, "what it holds elsewhere is no matter here"


@pytest.mark.parametrize(
    "status", [{"phase": Phase.CLOSED}, {"phase": Phase.RUNNING, "pod_uid": "p", "pod_name": "p", "attempt": 1}]
)
def test_who_does_not_wait_has_no_place(status: dict[str, Any]) -> None:
    assert place(session("mine", **status), [], NOW) is None


def test_the_wait_goes_by_the_slots_of_late() -> None:
    mine = session("mine", age=10)
    others = [session("older", age=20), *(bound(f"b{number}", number) for number in range(30))]
    found = place(mine, [mine, *others, bound("long ago", FIVE_MINUTES + 1)], NOW)
    assert found == QueuePlace(2, 2 * FIVE_MINUTES / 30, None)
    unknown = place(mine, [mine], NOW)
    assert unknown is not None
    assert unknown.expected_wait_seconds is None


def test_the_cause_is_the_conditions_reason() -> None:
    waiting = Condition(
        type="Scheduled", status=ConditionStatus.FALSE, reason="NoFreeSlot", message="", last_transition_time=NOW
    )
    found = place(session("mine", conditions=(waiting,)), [], NOW)
    assert found is not None
    assert found.cause == "NoFreeSlot"


@virtual
async def test_get_tells_it_while_it_waits_and_the_documents_three_fields_afterwards() -> None:
    async with rig() as api:
        answer = await api.http.post("/calls/room/sessions", headers={"Prefer": "respond-async"})
        waiting = await api.operator.session_of("room")
        await api.operator.wait_notice(waiting)
        await api.clock.sleep(1)
        looked = (await api.http.get(answer.headers["location"])).json()
        assert looked["queue"] == {"position": 1, "expected_wait_seconds": None, "cause": "NoFreeSlot"}
        await api.operator.run_at_once(waiting)
        await api.clock.sleep(1)
        looked = (await api.http.get(answer.headers["location"])).json()
        assert looked.keys() == {"session_id", "call_id", "session_started_at"}
