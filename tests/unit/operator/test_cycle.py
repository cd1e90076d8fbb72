"""Worlds in, actions out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from msgspec import structs
from tests.unit.operator.worlds import KEY, NOW, ago, fleet, pod, session, snapshot

from greenroom_core.model import names
from greenroom_core.model.meta import Condition, ConditionStatus
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.runtime import Placement
from greenroom_core.model.session import (
    AgentSession,
    Effective,
    LastAttempt,
    RestartPolicy,
    SessionDefaults,
    SessionLimits,
)
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.lifecycle import is_lost
from greenroom_operator.planning.pinned import refusal
from greenroom_operator.planning.values import (
    Action,
    Admit,
    Bind,
    DeleteSession,
    ExamineOnlyPod,
    ExaminePod,
    MarkBusy,
    SetFinalizers,
    Snapshot,
    WriteStatus,
)


def actions(world: Snapshot) -> list[Action]:
    return [action for action in plan(world).actions if not isinstance(action, Admit)]


def only(world: Snapshot) -> Any:
    [action] = actions(world)
    return action


def binds(world: Snapshot) -> dict[str, str]:
    return {a.session.metadata.name: a.pod.metadata.name for a in actions(world) if isinstance(a, Bind)}


def waiting_condition(reason: WaitReason, since: float) -> Condition:
    return Condition(
        type="Scheduled",
        status=ConditionStatus.FALSE,
        reason=reason.value,
        last_transition_time=ago(since),
    )


BOUND = {"phase": Phase.SCHEDULED, "pod_name": "p1", "pod_uid": "uid-p1", "attempt": 1, "scheduled_at": ago(5)}
RUNNING = {**BOUND, "phase": Phase.RUNNING, "started_at": ago(4)}
ENDED = {"phase": Phase.CLOSED, "reason": EndReason.FINISHED, "ended_at": ago(100), "pod_uid": "uid-p1"}


class TestBind:
    def test_hands_the_baton_with_everything_that_the_pod_needs(self) -> None:
        defaults = SessionDefaults(limits=SessionLimits(idle_timeout_seconds=9.0), ttl_seconds_after_finished=5)
        of = fleet(defaults=defaults)
        waiting = session(spec={"limits": SessionLimits(max_duration_seconds=7.0)}, attempt=1)

        bind = only(snapshot([waiting], [pod()], of=of))

        assert isinstance(bind, Bind)
        assert bind.fields["phase"] is Phase.SCHEDULED
        assert (bind.fields["podName"], bind.fields["podUID"]) == ("p1", "uid-p1")
        assert (bind.fields["attempt"], bind.fields["epoch"], bind.fields["revision"]) == (2, 4, "rev1")
        assert bind.fields["scheduledAt"] == NOW
        assert bind.fields["effective"] == Effective(
            limits=SessionLimits(max_duration_seconds=7.0, idle_timeout_seconds=9.0, start_deadline_seconds=60.0),
            restart_policy=RestartPolicy.NEVER,
            ttl_seconds_after_finished=5,
        )
        [condition] = bind.fields["conditions"]
        assert (condition.type, condition.status) == ("Scheduled", ConditionStatus.TRUE)

    def test_a_session_of_kubectl_gets_its_finalizer_first(self) -> None:
        action = only(snapshot([session(finalizer=False)], [pod()], of=fleet()))
        assert isinstance(action, SetFinalizers)
        assert action.pod is not None, "its place is kept while the finalizer is written"
        assert action.finalizers == (names.LEAVE_CALL,)

    def test_an_unlabelled_pod_is_labelled_first_and_once(self) -> None:
        world = snapshot([session("a"), session("b")], [pod(busy=False)], of=fleet())
        assert only(world) == MarkBusy(pod(busy=False))

    @pytest.mark.parametrize(
        "unfit",
        [
            pod(ready=False),
            pod(leaving_for=1),
            pod(phase="Failed"),
            pod(slots=0),
            pod(cordoned=True),
        ],
        ids=["not ready", "leaving", "finished", "no slots", "cordoned"],
    )
    def test_no_other_pod_is_used(self, unfit: Any) -> None:
        assert binds(snapshot([session()], [unfit], of=fleet())) == {}

    def test_older_revisions_take_what_the_newest_has_no_slot_for(self) -> None:
        old, coming = pod("old", revision="older"), pod("new", ready=False)
        assert binds(snapshot([session()], [old, coming], of=fleet())) == {"s1": "old"}
        assert binds(snapshot([session()], [old, pod("new", busy=True)], of=fleet())) == {"s1": "new"}
        full = pod("new", slots=1)
        held = session("s2", **{**RUNNING, "pod_name": "new", "pod_uid": "uid-new"})
        assert binds(snapshot([session(), held], [old, full], of=fleet())) == {"s1": "old"}

    @pytest.mark.parametrize("placement", [Placement.PACKED, Placement.SPREAD])
    def test_older_revisions_are_filled_one_by_one_so_that_the_others_empty(self, placement: Placement) -> None:
        olds = [pod("o1", revision="older", slots=4), pod("o2", revision="older", slots=4)]
        held = session("h", **{**RUNNING, "pod_name": "o2", "pod_uid": "uid-o2"})
        waiting = [session(f"s{number}") for number in range(3)]
        assert set(binds(snapshot([held, *waiting], olds, of=fleet(placement=placement))).values()) == {"o2"}

    def test_packed_fills_the_fullest_pod_first(self) -> None:
        pods = [pod("empty"), pod("half"), pod("full", slots=1)]
        held = [
            session("h", **{**RUNNING, "pod_uid": "uid-half"}),
            session("f", **{**RUNNING, "pod_uid": "uid-full"}),
        ]
        waiting = [session("a", call="a", age=3), session("b", call="b", age=2), session("c", call="c", age=1)]
        assert binds(snapshot([*held, *waiting], pods, of=fleet())) == {"a": "half", "b": "empty", "c": "empty"}

    def test_spread_fills_the_emptiest_pod_first(self) -> None:
        pods = [pod("one"), pod("two")]
        held = [session("h", **{**RUNNING, "pod_uid": "uid-one"})]
        waiting = [session("a", age=3), session("b", age=2), session("c", age=1)]
        bound = binds(snapshot([*held, *waiting], pods, of=fleet(placement=Placement.SPREAD)))
        assert bound == {"a": "two", "b": "one", "c": "two"}

    def test_in_a_fleet_that_is_to_shrink_spread_leaves_the_emptiest_pods_to_empty(self) -> None:
        pods = [pod(name, slots=4) for name in ("a", "b", "c")]
        held = [session(f"h{n}", **{**RUNNING, "pod_uid": f"uid-{name}"}) for n, name in enumerate("aabbc")]
        waiting = [session(f"s{number}") for number in range(5)]
        world = snapshot([*held, *waiting], pods, of=fleet(placement=Placement.SPREAD))
        assert sorted(binds(world).values()) == ["a", "a", "b", "c", "c"]
        assert sorted(binds(replace(world, sizes={KEY: 2})).values()) == ["a", "a", "b", "b", "c"], "c only at the last"

    def test_higher_priority_then_longer_wait_goes_first(self) -> None:
        waiting = [
            session("young", age=5),
            session("old", age=50),
            session("urgent", age=2, spec={"priority": 5}),
        ]
        bound = binds(snapshot(waiting, [pod(slots=2)], of=fleet()))
        assert sorted(bound) == ["old", "urgent"]

    def test_a_pinned_session_goes_to_its_pod_alone_ahead_of_the_queue(self) -> None:
        pinned = session("pinned", age=1, spec={"pod_name": "p2"})
        other = session("other", age=50)
        bound = binds(snapshot([other, pinned], [pod("p1", slots=1), pod("p2", slots=1)], of=fleet()))
        assert bound == {"other": "p1", "pinned": "p2"}
        assert binds(snapshot([pinned], [pod("p1")], of=fleet())) == {}

    @pytest.mark.parametrize("rank", [{"age": 50}, {"age": 5, "spec": {"priority": 9}}])
    def test_a_pinned_session_takes_the_last_slot_before_all_who_wait(self, rank: dict[str, Any]) -> None:
        pinned = session("pinned", age=1, spec={"pod_name": "p1"})
        assert binds(snapshot([session("other", **rank), pinned], [pod(slots=1)], of=fleet())) == {"pinned": "p1"}

    def test_a_pinned_session_obeys_the_limits(self) -> None:
        held = session("held", **RUNNING)
        pinned = session("pinned", age=1, spec={"pod_name": "p1"})
        for limit in ({"per_call": 1}, {"concurrent": 1}):
            refuse = only(snapshot([held, pinned], [pod()], of=fleet(**limit)))
            assert (refuse.session.metadata.name, refuse.purpose) == ("pinned", "refuse")

    def test_a_pod_never_gets_more_than_its_slots(self) -> None:
        waiting = [session(f"s{n}", call=f"c{n}") for n in range(5)]
        assert len(binds(snapshot(waiting, [pod(slots=2), pod("p2", slots=1)], of=fleet()))) == 3


class TestLimits:
    def test_one_too_many_on_a_call_fails_at_once_the_first_created_stays(self) -> None:
        world = snapshot([session("late", age=0.5), session("early", age=1.5)], of=fleet(per_call=1))
        refuse = only(world)
        assert isinstance(refuse, WriteStatus)
        assert refuse.session.metadata.name == "late"
        assert refuse.fields["phase"] is Phase.FAILED
        assert refuse.fields["reason"] is EndReason.MAX_SESSIONS_PER_CALL

    @pytest.mark.parametrize("state", [BOUND, RUNNING, {**RUNNING, "phase": Phase.CLOSING}])
    def test_bound_and_closing_sessions_count(self, state: dict[str, Any]) -> None:
        world = snapshot([session("held", **state), session("new")], [pod()], of=fleet(concurrent=1))
        assert only(world).fields["reason"] is EndReason.MAX_CONCURRENT_SESSIONS

    def test_an_ended_session_does_not_count(self) -> None:
        world = snapshot([session("over", **ENDED), session("new")], [pod()], of=fleet(concurrent=1, per_call=1))
        assert binds(world) == {"new": "p1"}

    def test_a_limit_lowered_later_ends_nobody(self) -> None:
        admitted = session("admitted")
        world = snapshot([admitted], [pod()], of=fleet(concurrent=1))
        world.tally.admit(admitted)  # type: ignore[attr-defined]
        world.tally.admit(session("other", call="c2"))  # type: ignore[attr-defined]
        assert binds(world) == {"admitted": "p1"}

    def test_calls_are_counted_apart(self) -> None:
        waiting = [session("a", call="a"), session("b", call="b")]
        assert len(binds(snapshot(waiting, [pod()], of=fleet(per_call=1)))) == 2


class TestWaiting:
    def test_says_why_after_a_second_once_for_each_cause(self) -> None:
        young = session(age=0)
        assert actions(snapshot([young], of=fleet())) == []
        notice = only(snapshot([session(age=3)], of=fleet()))
        assert notice.purpose == "wait"
        assert notice.fields["conditions"][0].reason == "NoFreeSlot"
        shown = session(age=3, conditions=(waiting_condition(WaitReason.NO_FREE_SLOT, 1),))
        assert actions(snapshot([shown], of=fleet())) == []
        assert only(snapshot([shown])).fields["conditions"][0].reason == "RuntimeNotFound"

    def test_is_woken_for_its_notice_and_its_deadline(self) -> None:
        assert plan(snapshot([session(age=0)], of=fleet())).wake == {"uid-s1": NOW + timedelta(seconds=2)}
        shown = session(age=3, conditions=(waiting_condition(WaitReason.NO_FREE_SLOT, 1),))
        assert plan(snapshot([shown], of=fleet())).wake == {"uid-s1": ago(3) + timedelta(seconds=61)}

    def test_fails_at_its_deadline_with_the_cause(self) -> None:
        end = only(snapshot([session(age=61)], of=fleet()))
        assert (end.fields["phase"], end.fields["reason"]) == (Phase.FAILED, EndReason.START_DEADLINE)
        assert "no ready pod" in end.fields["message"]
        assert "there is no AgentRuntime" in only(snapshot([session(age=61)])).fields["message"]

    def test_its_own_deadline_comes_before_the_runtimes(self) -> None:
        defaults = SessionDefaults(limits=SessionLimits(start_deadline_seconds=1.0))
        own = {"limits": SessionLimits(start_deadline_seconds=30.0)}
        world = snapshot([session(age=20, spec=own), session("s2", age=20)], of=fleet(defaults=defaults))
        ended = [a.session.metadata.name for a in actions(world) if getattr(a, "purpose", "") == "end"]
        assert ended == ["s2"]

    def test_a_moved_session_waits_anew_from_its_return(self) -> None:
        moved = session(age=500, attempt=1, conditions=(waiting_condition(WaitReason.RETURNED, 5),))
        assert [a.purpose for a in actions(snapshot([moved], of=fleet()))] == ["wait"]  # type: ignore[union-attr]


class TestOnlyPod:
    """`spec.podName`: the pod has to be there, to stay, and to be the runtime's own."""

    PINNED: ClassVar[dict[str, Any]] = {"spec": {"pod_name": "p1"}}

    @pytest.mark.parametrize("waits_for", [pod(ready=False), pod(slots=0), pod(revision="older", slots=0)])
    def test_it_waits_while_its_pod_may_still_take_it(self, waits_for: Any) -> None:
        assert actions(snapshot([session(age=1, **self.PINNED)], [waits_for], of=fleet())) == []
        late = only(snapshot([session(age=61, **self.PINNED)], [waits_for], of=fleet()))
        assert late.fields["reason"] is EndReason.START_DEADLINE
        assert "pod p1 is not ready or has no free slot" in late.fields["message"]

    @pytest.mark.parametrize(
        ("found", "message"),
        [
            (pod(leaving_for=1), "pod p1, which alone may run it, is leaving"),
            (pod(phase="Failed", ready=False), "pod p1, which alone may run it, has ended"),
            (pod(phase="Succeeded"), "pod p1, which alone may run it, has ended"),
        ],
    )
    def test_a_pod_that_will_not_take_it_ends_it_at_once(self, found: Any, message: str) -> None:
        end = only(snapshot([session(age=1, **self.PINNED)], [found], of=fleet()))
        assert (end.fields["phase"], end.fields["reason"]) == (Phase.FAILED, EndReason.POD_LOST)
        assert end.fields["message"] == message

    def test_a_pod_of_another_runtime_or_namespace_is_never_used(self) -> None:
        stranger = _moved(pod(), labels={names.RUNTIME_LABEL: "other"})
        end = only(snapshot([session(age=1, **self.PINNED)], [stranger], of=fleet()))
        assert (end.fields["phase"], end.fields["reason"]) == (Phase.FAILED, EndReason.INVALID_SPEC)
        assert end.fields["message"] == "spec.podName: pod p1 is none of AgentRuntime 'default'"
        elsewhere = _moved(pod(), namespace="elsewhere")
        pinned = session(age=1, **self.PINNED)
        assert actions(snapshot([pinned], [elsewhere], of=fleet())) == [ExamineOnlyPod(pinned)]

    def test_a_pod_that_is_not_known_is_read_before_anything_is_decided(self) -> None:
        pinned = session(age=1, **self.PINNED)
        world = snapshot([pinned], of=fleet())
        assert actions(world) == [ExamineOnlyPod(pinned)]
        told = (EndReason.POD_LOST, "pod p1, which alone may run it, is gone")
        end = only(replace(world, unplaceable={"uid-s1": told}))
        assert (end.fields["reason"], end.fields["message"]) == told

    def test_another_life_of_the_pod_does_not_get_what_the_first_one_started(self) -> None:
        mine, other = _started_by(session(**self.PINNED), "uid-p1"), _started_by(session(**self.PINNED), "uid-before")
        assert binds(snapshot([mine], [pod()], of=fleet())) == {"s1": "p1"}
        end = only(snapshot([other], [pod()], of=fleet()))
        assert end.fields["message"] == "pod p1, which alone may run it, is gone"
        world = replace(snapshot([other], [pod()], of=fleet()), due=())
        assert binds(world) == {}

    def test_after_the_loss_of_its_pod_it_does_not_wait_for_another(self) -> None:
        back = session(**self.PINNED, attempt=1, conditions=(waiting_condition(WaitReason.POD_LOST, 1),))
        gone = (EndReason.POD_LOST, "pod p1, which alone may run it, is gone")
        end = only(replace(snapshot([back], of=fleet()), unplaceable={"uid-s1": gone}))
        assert end.fields["reason"] is EndReason.POD_LOST

    @pytest.mark.parametrize(
        ("found", "ending"),
        [
            (None, EndReason.POD_LOST),
            (pod(), None),
            (pod(ready=False), None),
            (pod(leaving_for=1), EndReason.POD_LOST),
        ],
    )
    def test_the_verdict_on_its_pod_that_was_read(self, found: Any, ending: EndReason | None) -> None:
        told = refusal(session(**self.PINNED), found)
        assert (told[0] if told is not None else None) is ending


def _moved(item: Any, **meta: Any) -> Any:
    return structs.replace(item, metadata=structs.replace(item.metadata, **meta))


def _started_by(item: AgentSession, uid: str) -> AgentSession:
    moved: AgentSession = _moved(item, labels={names.STARTED_BY: uid})
    return moved


class TestAskedToEnd:
    def test_closed_before_a_pod_took_it(self) -> None:
        end = only(snapshot([session(close=True)], [pod()], of=fleet()))
        assert (end.fields["phase"], end.fields["reason"]) == (Phase.CLOSED, EndReason.CLOSE_REQUESTED)

    def test_deleted_before_any_bind_is_let_go_without_a_record(self) -> None:
        action = only(snapshot([session(deleting=True)], [pod()], of=fleet()))
        assert action == SetFinalizers(session(deleting=True), ())

    def test_deleted_while_being_moved_gets_its_end(self) -> None:
        end = only(snapshot([session(deleting=True, attempt=1)], [pod()], of=fleet()))
        assert end.fields["reason"] is EndReason.DELETED

    @pytest.mark.parametrize("asked", [{"close": True}, {"deleting": True}])
    def test_a_bound_session_is_its_pods_to_end(self, asked: dict[str, Any]) -> None:
        assert actions(snapshot([session(**asked, **RUNNING)], [pod()], of=fleet())) == []

    def test_other_finalizers_are_left_alone(self) -> None:
        item = session(deleting=True, finalizer=False)
        assert actions(snapshot([item], [pod()], of=fleet())) == []


BY_ITS_POD = {"reason": EndReason.CLOSE_REQUESTED}
"""Code in its pod asked for its end, and the pod has written so."""


class TestBoundSessions:
    def test_is_left_alone_while_its_pod_lives_ready_or_not(self) -> None:
        for state in (BOUND, RUNNING):
            assert actions(snapshot([session(**state)], [pod(ready=False)], of=fleet())) == []

    def test_an_absent_pod_is_read_before_anything_is_decided(self) -> None:
        world = snapshot([session("a", **RUNNING), session("b", **RUNNING)], of=fleet())
        assert actions(world) == [ExaminePod("ns", "p1", "uid-p1")]

    @pytest.mark.parametrize(
        "doubtful", [pod(phase="Failed"), pod(phase="Succeeded"), pod(leaving_for=61, ready=False)]
    )
    def test_a_doubtful_pod_is_read_too(self, doubtful: Any) -> None:
        assert isinstance(only(snapshot([session(**RUNNING)], [doubtful], of=fleet())), ExaminePod)

    @pytest.mark.parametrize("staying", [pod(leaving_for=59, ready=False), pod(leaving_for=600, ready=True)])
    def test_a_leaving_pod_keeps_its_sessions(self, staying: Any) -> None:
        assert actions(snapshot([session(**RUNNING)], [staying], of=fleet())) == []

    @pytest.mark.parametrize(
        ("state", "policy", "outcome"),
        [
            (RUNNING, RestartPolicy.NEVER, (Phase.FAILED, EndReason.POD_LOST)),
            (RUNNING, RestartPolicy.ON_POD_LOSS, (Phase.PENDING, None)),
            (BOUND, RestartPolicy.NEVER, (Phase.PENDING, None)),
        ],
    )
    def test_after_the_loss(self, state: dict[str, Any], policy: RestartPolicy, outcome: tuple[Any, Any]) -> None:
        held = session(**state, effective=Effective(restart_policy=policy))
        write = only(snapshot([held], of=fleet(), lost=["uid-p1"]))
        assert (write.fields["phase"], write.fields.get("reason")) == outcome

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ({"close": True}, EndReason.CLOSE_REQUESTED),
            ({"deleting": True}, EndReason.DELETED),
            (BY_ITS_POD, EndReason.CLOSE_REQUESTED),
        ],
    )
    def test_after_the_loss_a_wish_to_end_is_granted(self, asked: dict[str, Any], reason: EndReason) -> None:
        held = session(**asked, **BOUND, effective=Effective(restart_policy=RestartPolicy.ON_POD_LOSS))
        write = only(snapshot([held], of=fleet(), lost=["uid-p1"]))
        assert (write.fields["phase"], write.fields["reason"]) == (Phase.CLOSED, reason)

    def test_what_a_pod_lets_lie_is_taken_back(self) -> None:
        held = session(**{**BOUND, "scheduled_at": ago(75)})
        write = only(snapshot([held], [pod()], of=fleet()))
        assert write.fields["phase"] is Phase.PENDING
        assert write.fields["podUID"] is None
        assert write.fields["conditions"][-1].reason == "TakenBack"
        wake = plan(snapshot([session(**BOUND)], [pod()], of=fleet())).wake
        assert wake == {"uid-s1": ago(5) + timedelta(seconds=75)}


TAKEN_BACK = LastAttempt(attempt=1, ended_at=NOW, reason=WaitReason.TAKEN_BACK)


class TestEndedSessions:
    def test_is_let_go_when_deleted(self) -> None:
        assert only(snapshot([session(deleting=True, **ENDED)])) == SetFinalizers(session(deleting=True, **ENDED), ())

    def test_is_deleted_when_its_time_is_over(self) -> None:
        over = session(**ENDED, effective=Effective(ttl_seconds_after_finished=100))
        assert only(snapshot([over])) == DeleteSession(over)
        kept = session(**ENDED, effective=Effective(ttl_seconds_after_finished=101))
        assert actions(snapshot([kept])) == []
        assert plan(snapshot([kept])).wake == {"uid-s1": NOW + timedelta(seconds=1)}

    def test_stays_for_good_without_a_ttl(self) -> None:
        assert actions(snapshot([session(**ENDED)], of=fleet())) == []

    def test_an_own_start_that_its_pod_has_withdrawn_goes_at_once(self) -> None:
        over = _own_start(EndReason.CLOSE_REQUESTED)
        assert only(snapshot([over])) == DeleteSession(over)

    @pytest.mark.parametrize("reason", [EndReason.MAX_SESSIONS_PER_CALL, EndReason.START_DEADLINE])
    def test_one_that_was_refused_is_shown_to_its_pod_first(self, reason: EndReason) -> None:
        fresh, seen = _own_start(reason, seconds_ago=29), _own_start(reason, seconds_ago=30)
        assert plan(snapshot([fresh])).wake == {"uid-s1": NOW + timedelta(seconds=1)}
        assert only(snapshot([seen])) == DeleteSession(seen)

    def test_one_that_was_closed_by_its_annotation_likewise(self) -> None:
        assert actions(snapshot([_own_start(EndReason.CLOSE_REQUESTED, close=True)])) == []

    @pytest.mark.parametrize(
        "kept",
        [
            {"reason": EndReason.POD_LOST},
            {"reason": EndReason.CLOSE_REQUESTED, "pod_uid": "uid-p1"},
            {"reason": EndReason.CLOSE_REQUESTED, "last_attempt": TAKEN_BACK},
        ],
    )
    def test_one_that_had_a_pod_or_has_lost_it_is_kept_for_an_hour(self, kept: dict[str, Any]) -> None:
        ended = _own_start(seconds_ago=3599, **kept)
        assert plan(snapshot([ended])).wake == {"uid-s1": NOW + timedelta(seconds=1)}
        own = Effective(ttl_seconds_after_finished=10)
        assert only(snapshot([_own_start(seconds_ago=10, effective=own, **kept)])).session.started_by == "uid-p1"
        own_again = structs.replace(ended, metadata=structs.replace(ended.metadata, labels={}))
        assert actions(snapshot([own_again])) == [], "no launcher has started it: without a ttl it stays"


def _own_start(reason: EndReason, *, seconds_ago: float = 0, close: bool = False, **status: Any) -> AgentSession:
    phase = Phase.CLOSED if reason is EndReason.CLOSE_REQUESTED else Phase.FAILED
    ended_at = NOW - timedelta(seconds=seconds_ago)
    return session(
        close=close, labels={names.STARTED_BY: "uid-p1"}, phase=phase, reason=reason, ended_at=ended_at, **status
    )


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        (pod(), False),
        (pod(ready=False), False),
        (pod(leaving_for=61, ready=True), False),
        (pod(leaving_for=61, ready=False), True),
        (pod(phase="Failed"), True),
        (pod(phase="Succeeded"), True),
    ],
)
def test_the_verdict_on_a_pod_that_was_read(found: Any, lost: bool) -> None:
    assert is_lost(found, "uid-p1", NOW) is lost
    assert is_lost(found, "another-uid", NOW)


def test_every_planned_status_is_a_lawful_step() -> None:
    from greenroom_core.model.phases import FOLLOWING

    held: list[AgentSession] = [
        session("w", age=61),
        session("c", close=True),
        session("l", **{**RUNNING, "pod_uid": "gone"}),
        session("m", **{**BOUND, "pod_uid": "gone"}),
        session("b", call="c9"),
    ]
    writes = actions(snapshot(held, [pod()], of=fleet(), lost=["gone"]))
    assert len(writes) == 5
    for write in writes:
        assert isinstance(write, Bind | WriteStatus)
        assert write.fields["phase"] in FOLLOWING[write.session.status.phase]
