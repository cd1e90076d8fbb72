"""The order of those who wait: priority, then callers by turns, then age."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from greenroom_core.model.meta import ObjectMeta
from greenroom_core.model.phases import Phase
from greenroom_core.model.queue import Share, caller, shares_of, turn, turns
from greenroom_core.model.session import AgentSession, SessionSpec, SessionStatus

_AT = datetime(2030, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
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


times = st.none() | st.integers(0, 100).map(lambda seconds: _AT - timedelta(seconds=seconds))
holdings = st.dictionaries(st.sampled_from(CALLERS), st.builds(Share, st.integers(0, 6), times))


def held(**slots: int) -> dict[str, Share]:
    return {name: Share(count) for name, count in slots.items()}


@given(queues(), holdings)
def test_everybody_gets_a_turn_own_starts_first_and_priority_before_all_else(
    queue: list[AgentSession], shares: dict[str, Share]
) -> None:
    order = turns(queue, TEAM, shares)
    assert sorted(names(order)) == sorted(names(queue))
    ranks = [turn(session)[:2] for session in order]
    assert ranks == sorted(ranks)


@given(queues(), holdings)
def test_nobody_goes_before_a_caller_who_has_fewer_slots(queue: list[AgentSession], shares: dict[str, Share]) -> None:
    """At each step the one who goes has as few as any other that waits at its priority; if as many, it was served
    longer ago; if never, it has waited longest."""
    order = turns(queue, TEAM, shares)
    has = Counter({name: share.held for name, share in shares.items()})
    served = {name: share.served_at or _LONG_AGO for name, share in shares.items()}
    for number, session in enumerate(order):
        mine = caller(session, TEAM)
        for other in order[number:]:
            if session.spec.pod_name is None and turn(other)[:2] == turn(session)[:2]:
                theirs = caller(other, TEAM)
                one, two = ((has[name], served.get(name, _LONG_AGO)) for name in (mine, theirs))
                assert one <= two
                assert one < two or turn(session) <= turn(other)
        has[mine] += 1
        served[mine] = _AT + timedelta(seconds=number + 1)


@given(st.lists(st.sampled_from(CALLERS[1:]), min_size=1, max_size=30), st.integers(1, 3), st.randoms())
def test_nobody_starves(crowd: list[str], slots: int, random: Random) -> None:
    """Cycle after cycle, slots get free in any order: a caller who holds nothing waits for one of each other caller
    at most, however many they have queued before it."""
    queue = [waiting(f"s{number:02}", team, age=100 - number) for number, team in enumerate(crowd)]
    held: list[AgentSession] = []
    over: list[AgentSession] = []
    passed: Counter[str] = Counter()
    for second in range(len(crowd)):
        while len(held) >= slots:
            over.append(_ended(held.pop(random.randrange(len(held)))))
        [first, *queue] = turns(queue, TEAM, shares_of([*held, *over], TEAM))
        held.append(_bound(first, second))
        for team in {caller(session, TEAM) for session in queue}:
            with_slots = any(caller(session, TEAM) == team for session in held)
            passed[team] = 0 if with_slots else passed[team] + 1
            assert passed[team] < len(CALLERS[1:])


@given(queues(callers=["blue"]), holdings)
def test_one_caller_alone_is_served_by_priority_and_age(queue: list[AgentSession], shares: dict[str, Share]) -> None:
    assert names(turns(queue, TEAM, shares)) == names(turns(queue)) == names(sorted(queue, key=turn))


@given(queues(), holdings)
def test_within_one_caller_and_priority_the_oldest_goes_first(
    queue: list[AgentSession], shares: dict[str, Share]
) -> None:
    order = turns(queue, TEAM, shares)
    for team in CALLERS:
        own = [session for session in order if caller(session, TEAM) == team]
        assert names(own) == names(sorted(own, key=turn))


def test_a_thousand_of_one_do_not_keep_the_first_of_another_waiting() -> None:
    crowd = [waiting(f"blue-{number}", "blue", age=2000 - number) for number in range(1000)]
    late = waiting("red", "red")
    assert names(turns([*crowd, late], TEAM)).index("red") == 1
    assert names(turns([*crowd, late], TEAM, held(blue=4))).index("red") == 0
    assert names(turns([*crowd, late], TEAM, held(red=4))).index("red") == 4, "as many, and blue was just served"
    assert names(turns([*crowd, late], TEAM, {"blue": Share(0, _AT)})).index("red") == 0, "blue was served, red never"
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


def test_shares_are_the_slots_held_and_when_one_was_given_last() -> None:
    sessions = [
        _bound(waiting("a", "blue"), 5),
        _ended(_bound(waiting("b", "blue"), 9)),
        _bound(waiting("c"), 1),
        _ended(_bound(waiting("d", "red"), 2)),
        waiting("e", "red"),
        waiting("f", "green"),
    ]
    assert shares_of(sessions, TEAM) == {
        "blue": Share(1, _AT + timedelta(seconds=9)),
        "": Share(1, _AT + timedelta(seconds=1)),
        "red": Share(0, _AT + timedelta(seconds=2)),
        "green": Share(0, None),
    }


def _bound(session: AgentSession, second: int) -> AgentSession:
    at = _AT + timedelta(seconds=second)
    return structs.replace(session, status=SessionStatus(phase=Phase.SCHEDULED, pod_uid="p", scheduled_at=at))


def _ended(session: AgentSession) -> AgentSession:
    return structs.replace(session, status=structs.replace(session.status, phase=Phase.CLOSED))
