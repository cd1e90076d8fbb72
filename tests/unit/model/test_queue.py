"""The order of those who wait: priority, then callers by turns, then age."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.queue import caller, holding, turn, turns
from greenroom_core.model.session import AgentSession, SessionSpec, SessionStatus

_AT = datetime(2030, 1, 1, tzinfo=UTC)
TEAM = "example.com/team"
CALLERS = ["", "blue", "red", "green"]


def waiting(name: str, team: str = "", *, age: int = 0, priority: int = 0, pod: str | None = None) -> AgentSession:
    meta = ObjectMeta(
        name=name,
        namespace="ns",
        uid=name,
        creation_timestamp=_AT - timedelta(seconds=age),
        labels={TEAM: team} if team else {},
    )
    return AgentSession(metadata=meta, spec=SessionSpec(call_id="c", priority=priority, pod_name=pod))


def names(sessions: list[AgentSession]) -> list[str]:
    return [session.metadata.name for session in sessions]


@st.composite
def queues(draw: st.DrawFn, callers: list[str] = CALLERS) -> list[AgentSession]:
    kinds = st.tuples(
        st.sampled_from(callers), st.integers(0, 30), st.integers(-1, 1), st.sampled_from([None, None, "p1"])
    )
    drawn = draw(st.lists(kinds, max_size=40))
    return [
        waiting(f"s{number:02}", team, age=age, priority=priority, pod=pod)
        for number, (team, age, priority, pod) in enumerate(drawn)
    ]


holdings = st.dictionaries(st.sampled_from(CALLERS), st.integers(0, 6))


@given(queues(), holdings)
def test_everybody_gets_a_turn_own_starts_first_and_priority_before_all_else(
    queue: list[AgentSession], held: dict[str, int]
) -> None:
    order = turns(queue, TEAM, held)
    assert sorted(names(order)) == sorted(names(queue))
    ranks = [turn(session)[:2] for session in order]
    assert ranks == sorted(ranks)


@given(queues(), holdings)
def test_nobody_goes_before_a_caller_who_has_fewer_slots(queue: list[AgentSession], held: dict[str, int]) -> None:
    """At each step the one who goes has as few as any other that waits at its priority; the older one if as many."""
    order = turns(queue, TEAM, held)
    has = Counter(held)
    for number, session in enumerate(order):
        mine = caller(session, TEAM)
        for other in order[number:]:
            if session.spec.pod_name is None and turn(other)[:2] == turn(session)[:2]:
                theirs = caller(other, TEAM)
                assert has[mine] <= has[theirs]
                if has[mine] == has[theirs]:
                    assert turn(session) <= turn(other)
        has[mine] += 1


@given(queues(), st.integers(0, 5))
def test_nobody_starves(queue: list[AgentSession], held: int) -> None:
    """However many others queue: the first of a caller who holds as much as they do waits for one of each at most, its
    second for two of each."""
    equals = [waiting(item.metadata.name, caller(item, TEAM)) for item in queue]
    order = turns(equals, TEAM, dict.fromkeys(CALLERS, held))
    seen: Counter[str] = Counter()
    for place, session in enumerate(order):
        seen[caller(session, TEAM)] += 1
        assert place < seen[caller(session, TEAM)] * len(CALLERS)


@given(queues(callers=["blue"]), holdings)
def test_one_caller_alone_is_served_by_priority_and_age(queue: list[AgentSession], held: dict[str, int]) -> None:
    assert names(turns(queue, TEAM, held)) == names(turns(queue)) == names(sorted(queue, key=turn))


@given(queues(), holdings)
def test_within_one_caller_and_priority_the_oldest_goes_first(queue: list[AgentSession], held: dict[str, int]) -> None:
    order = turns(queue, TEAM, held)
    for team in CALLERS:
        own = [session for session in order if caller(session, TEAM) == team]
        assert names(own) == names(sorted(own, key=turn))


def test_a_thousand_of_one_do_not_keep_the_first_of_another_waiting() -> None:
    crowd = [waiting(f"blue-{number}", "blue", age=2000 - number) for number in range(1000)]
    late = waiting("red", "red")
    assert names(turns([*crowd, late], TEAM)).index("red") == 1
    assert names(turns([*crowd, late], TEAM, {"blue": 4})).index("red") == 0
    assert names(turns([*crowd, late], TEAM, {"red": 4})).index("red") == 5
    assert names(turns([*crowd, late])).index("red") == 1000


def test_sessions_without_the_label_are_one_caller_together() -> None:
    crowd = [waiting(f"bare-{number}", age=100 - number) for number in range(9)]
    assert names(turns([*crowd, waiting("red", "red")], TEAM))[:3] == ["bare-0", "red", "bare-1"]


def test_what_a_caller_was_given_at_a_higher_priority_counts() -> None:
    queue = [
        waiting("urgent", "blue", priority=5),
        waiting("blue", "blue", age=50),
        waiting("red", "red", age=1),
        waiting("own", "green", pod="p1"),
        waiting("green", "green", age=90),
    ]
    assert names(turns(queue, TEAM)) == ["own", "urgent", "red", "green", "blue"]


def test_slots_are_counted_by_caller_while_a_pod_holds_the_session() -> None:
    def of(name: str, team: str, phase: Phase, pod_uid: str | None) -> AgentSession:
        session = waiting(name, team)
        return AgentSession(
            metadata=session.metadata, spec=session.spec, status=SessionStatus(phase=phase, pod_uid=pod_uid)
        )

    sessions = [
        of("a", "blue", Phase.RUNNING, "p"),
        of("b", "blue", Phase.SCHEDULED, "p"),
        of("c", "", Phase.CLOSING, "p"),
        of("d", "red", Phase.CLOSED, "p"),
        of("e", "red", Phase.PENDING, None),
    ]
    assert holding(sessions, TEAM) == {"blue": 2, "": 1}
