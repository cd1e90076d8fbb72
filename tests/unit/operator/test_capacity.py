"""`spec.queue`: whose turn is next among callers, and who is refused by a full fleet that lets nobody wait."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.worlds import KEY, NOW, ago, fleet, pod, session, snapshot

from greenroom_api.cluster.queue import place
from greenroom_core.model.meta import Condition, ConditionStatus
from greenroom_core.model.phases import Phase
from greenroom_core.model.queue import Share
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.model.runtime import Autoscaling, Queue, WhenFull
from greenroom_core.model.session import AgentSession
from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import Bind, Fleet, Plan, Snapshot, WriteStatus
from greenroom_operator.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

TEAM = "team"
FAIR = Queue(fair_by=TEAM)
REFUSE = Queue(when_full=WhenFull.REFUSE)
TEAMS = st.sampled_from(["", "blue", "red"])


def held(name: str, pod_name: str = "p1", **more: Any) -> AgentSession:
    status: dict[str, Any] = {"phase": Phase.RUNNING, "pod_name": pod_name, "pod_uid": f"uid-{pod_name}", "attempt": 1}
    return session(name, call=name, **status, started_at=ago(4), **more)


def of_team(name: str, team: str, **more: Any) -> AgentSession:
    return session(name, call=name, labels={TEAM: team} if team else {}, **more)


def bound(decided: Plan) -> list[str]:
    return [action.session.metadata.name for action in decided.actions if isinstance(action, Bind)]


def refused(world: Snapshot) -> dict[str, EndReason]:
    writes = [action for action in plan(world).actions if isinstance(action, WriteStatus)]
    return {write.session.metadata.name: write.fields["reason"] for write in writes if write.purpose == "refuse"}


def full(*waiting: AgentSession, of: Fleet, **more: Any) -> Snapshot:
    """One ready pod of one slot, which is taken."""
    return snapshot([held("h"), *waiting], [pod(slots=1)], of=of, **more)


class TestTurns:
    def test_callers_take_turns_and_what_they_hold_counts(self) -> None:
        blue = [of_team(f"b{number}", "blue", age=50 - number) for number in range(4)]
        world = [*blue, of_team("r0", "red", age=2), of_team("r1", "red", age=1)]
        assert bound(plan(snapshot(world, [pod(slots=4)], of=fleet(queue=FAIR)))) == ["b0", "r0", "b1", "r1"]
        assert bound(plan(snapshot(world, [pod(slots=4)], of=fleet()))) == ["b0", "b1", "b2", "b3"]
        holds = held("h", labels={TEAM: "blue"})
        assert bound(plan(snapshot([holds, *world], [pod(slots=4)], of=fleet(queue=FAIR)))) == ["r0", "b0", "r1"]

    def test_a_bind_under_way_is_held_already(self) -> None:
        ledger = Ledger()
        ledger.assume(of_team("under way", "blue"), "uid-p1")
        world = [of_team("b0", "blue", age=50), of_team("r0", "red", age=1)]
        assert bound(plan(snapshot(world, [pod(slots=2)], of=fleet(queue=FAIR), ledger=ledger))) == ["r0"]

    @given(
        st.lists(st.tuples(TEAMS, st.integers(2, 30), st.integers(0, 1), st.booleans()), max_size=25),
        st.sampled_from([None, TEAM]),
    )
    def test_the_api_tells_the_place_in_which_the_operator_binds(
        self, drawn: list[tuple[str, int, int, bool]], fair_by: str | None
    ) -> None:
        sessions = [
            held(f"s{n:02}", labels={TEAM: team})
            if holds
            else of_team(f"s{n:02}", team, age=age, spec={"priority": priority})
            for n, (team, age, priority, holds) in enumerate(drawn)
        ]
        decided = plan(snapshot(sessions, [pod(slots=100)], of=fleet(queue=Queue(fair_by=fair_by))))
        told = {}
        for item in sessions:
            if (found := place(item, sessions, NOW, fair_by)) is not None:
                told[found.position] = item.metadata.name
        assert bound(decided) == [told[position] for position in sorted(told)]
        assert sorted(told) == list(range(1, len(told) + 1))


class TestLedger:
    STEPS = st.lists(
        st.tuples(st.sampled_from(["bound", "unbound", "ended", "assume"]), st.integers(0, 4), TEAMS), max_size=40
    )

    @given(STEPS, st.integers(0, 40))
    def test_the_slots_by_caller_are_kept_as_if_counted_anew(
        self, story: list[tuple[str, int, str]], asked_at: int
    ) -> None:
        records: dict[str, AgentSession] = {}
        kept = Ledger(_Values(records))
        for number, (step, which, team) in enumerate(story):
            if number == asked_at:
                kept.shares(KEY, TEAM)
            item = of_team(f"s{which}", team)
            bound_now = held(f"s{which}", labels={TEAM: team}, scheduled_at=ago(100 - number))
            match step:
                case "bound":
                    kept.observe(bound_now)
                    records[item.metadata.uid] = bound_now
                case "unbound":
                    kept.observe(item)
                case "ended":
                    kept.observe(session(f"s{which}", phase=Phase.CLOSED))
                case "assume":
                    kept.assume(item, "uid-p1")
        now = {name: share for name, share in kept.shares(KEY, TEAM).items() if share.held}
        kept.shares(KEY, "another label")
        anew = {name: share for name, share in kept.shares(KEY, TEAM).items() if share.held}
        assert {name: share.held for name, share in now.items()} == {name: share.held for name, share in anew.items()}
        assert sum(share.held for share in now.values()) == kept.on_pod("uid-p1")

    def test_it_remembers_who_was_served_last_and_forgets_when_these_become_too_many(self) -> None:
        ledger = Ledger()
        ledger.shares(KEY, TEAM)
        for number in range(1001):
            ledger.observe(held(f"s{number}", labels={TEAM: f"t{number}"}, scheduled_at=NOW))
            ledger.observe(session(f"s{number}", phase=Phase.CLOSED))
            assert ledger.shares(KEY, TEAM).get(f"t{number}", Share(0, NOW)) == Share(0, NOW)
        assert not ledger.shares(KEY, TEAM), "nothing of it is on record"


class _Values:
    """What a feed's store is to the ledger: all sessions, whenever it looks."""

    def __init__(self, records: dict[str, AgentSession]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[AgentSession]:
        return iter(self._records.values())


class TestRefuse:
    def test_who_finds_no_slot_fails_at_once_and_says_why(self) -> None:
        [write] = [a for a in plan(full(session(age=0), of=fleet(queue=REFUSE))).actions if isinstance(a, WriteStatus)]
        assert (write.fields["phase"], write.fields["reason"]) == (Phase.FAILED, EndReason.NO_CAPACITY)
        assert write.fields["message"] == (
            "AgentRuntime 'default' has no free slot, and lets nobody wait (whenFull: Refuse)"
        )
        assert refused(full(session(age=0), of=fleet())) == {}, "Wait is what holds unless somebody says otherwise"

    def test_a_refused_session_asks_for_no_pod(self) -> None:
        assert plan(full(session(age=0), of=fleet(queue=REFUSE))).short == {KEY: 0}

    def test_the_slots_that_there_are_go_to_those_whose_turn_it_is(self) -> None:
        queue = Queue(fair_by=TEAM, when_full=WhenFull.REFUSE)
        world = [of_team("b0", "blue", age=9), of_team("b1", "blue", age=8), of_team("r0", "red", age=1)]
        seen = snapshot(world, [pod(slots=2)], of=fleet(queue=queue))
        assert bound(plan(seen)) == ["b0", "r0"]
        assert refused(seen) == {"b1": EndReason.NO_CAPACITY}

    @pytest.mark.parametrize(
        ("others", "of", "waits"),
        [
            pytest.param([], {"replicas": 1}, 0, id="fixed and there"),
            pytest.param([pod("p2", ready=False)], {"replicas": 2}, 3, id="one starts"),
            pytest.param([], {"replicas": 2}, 3, id="one is to be made"),
            pytest.param([pod("p2", leaving_for=1)], {"replicas": 1}, 0, id="one leaves beyond its size"),
            pytest.param([pod("p2", phase="Failed", ready=False)], {"replicas": 2}, 3, id="one is to be mended"),
            pytest.param([pod("p2", cordoned=True)], {"replicas": 2}, 3, id="one in place of a cordoned one"),
            pytest.param([], {"scaling": Autoscaling(max_pods=1)}, 0, id="at its most"),
            pytest.param([], {"scaling": Autoscaling(max_pods=2)}, 3, id="may grow by one"),
            pytest.param([], {"scaling": Autoscaling(max_pods=3)}, 6, id="may grow by two"),
        ],
    )
    def test_it_waits_for_a_pod_that_is_to_come_as_far_as_its_slots_go(
        self, others: list[Any], of: dict[str, Any], waits: int
    ) -> None:
        waiting = [session(f"s{n}", call=f"c{n}", age=20 - n) for n in range(8)]
        world = snapshot([held("h"), *waiting], [pod(slots=1), *others], of=fleet(queue=REFUSE, slots=3, **of))
        assert list(refused(world)) == [f"s{n}" for n in range(waits, 8)], "the last in turn, none of the others"
        assert plan(world).short == {KEY: waits}

    def test_from_nothing_the_first_waits_for_its_pod_and_where_there_may_be_none_nobody_does(self) -> None:
        for most, reasons in ((1, {}), (0, {"s1": EndReason.NO_CAPACITY})):
            of = fleet(queue=REFUSE, scaling=Autoscaling(max_pods=most))
            assert refused(snapshot([session(age=0)], of=of)) == reasons

    @pytest.mark.parametrize(
        ("busy", "failing", "waits"),
        [
            pytest.param(1, False, True, id="surge lets a new one come"),
            pytest.param(2, False, True, id="an older one may go"),
            pytest.param(3, False, False, id="older ones with calls stay and surge is used up"),
            pytest.param(3, True, False, id="stopped"),
        ],
    )
    def test_in_a_rollout_it_waits_only_for_what_can_come_while_calls_go_on(
        self, busy: int, failing: bool, waits: bool
    ) -> None:
        olds = [pod(f"old{n}", slots=1, revision="older") for n in range(3)]
        calls = [held("n", "new"), *(held(f"h{n}", f"old{n}") for n in range(busy))]
        world = snapshot(
            [*calls, session(age=0)], [*olds, pod("new", slots=1)], of=fleet(queue=REFUSE, replicas=3, surge=1)
        )
        assert (refused(replace(world, failing={KEY} if failing else set())) == {}) is waits

    def test_a_stopped_rollout_brings_no_pod(self) -> None:
        of = fleet(queue=REFUSE, replicas=3, surge=2)
        world = snapshot([held("h", "old"), session(age=0)], [pod("old", slots=1, revision="older")], of=of)
        assert refused(world) == {}
        assert refused(replace(world, failing={KEY})) == {"s1": EndReason.NO_CAPACITY}
        assert refused(replace(world, failing={KEY}, resting={"uid-old"})) == {}, "it may have a slot in a moment"

    def test_a_pod_that_rests_is_waited_for(self) -> None:
        world = replace(snapshot([session(age=0)], [pod()], of=fleet(queue=REFUSE)), resting={"uid-p1"})
        assert refused(world) == {}

    def test_a_session_that_a_pod_had_before_is_not_refused(self) -> None:
        shown = Condition(
            type="Scheduled", status=ConditionStatus.FALSE, reason=WaitReason.POD_LOST, last_transition_time=ago(1)
        )
        assert refused(full(session(attempt=1, conditions=(shown,)), of=fleet(queue=REFUSE))) == {}

    def test_a_pods_own_start_is_refused_by_that_pod_alone(self) -> None:
        pinned = session(age=0, spec={"pod_name": "p1"})
        assert refused(full(pinned, of=fleet(queue=REFUSE, replicas=2))) == {"s1": EndReason.NO_CAPACITY}
        world = snapshot([pinned], [pod(ready=False), pod("p2")], of=fleet(queue=REFUSE))
        assert refused(world) == {}, "it is not ready yet"

    def test_a_limit_is_named_before_the_lack_of_slots(self) -> None:
        world = full(session(age=0), of=fleet(queue=REFUSE, concurrent=1))
        assert refused(world) == {"s1": EndReason.MAX_CONCURRENT_SESSIONS}
