"""How many pods an autoscaled fleet wants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.worlds import fleet

from greenroom_core.model.runtime import Autoscaling, RuntimeSpec
from greenroom_operator.planning.size import Demand, Size, at_first, largest, share, sized


def spec(slots: int = 10, **scaling: Any) -> RuntimeSpec:
    return fleet(slots=slots, scaling=Autoscaling(**{"max_pods": 10, **scaling})).runtime.spec


@pytest.mark.parametrize(
    ("scaling", "bound", "waiting", "pods"),
    [
        ({"buffer_sessions": 0}, 0, 0, 0),
        ({"buffer_sessions": 1}, 0, 0, 1),
        ({"buffer_sessions": 0}, 0, 1, 1),
        ({"buffer_sessions": 0}, 10, 0, 1),
        ({"buffer_sessions": 0}, 10, 1, 2),
        ({"buffer_sessions": 1}, 10, 0, 2),
        ({"buffer_sessions": 25}, 5, 0, 3),
        ({"buffer_sessions": "50%"}, 0, 0, 0),
        ({"buffer_sessions": "50%"}, 20, 0, 3),
        ({"buffer_sessions": "50%"}, 14, 0, 3),
        ({"buffer_sessions": "10%"}, 9, 0, 1),
        ({"buffer_sessions": "10%"}, 9, 1, 2),
        ({"buffer_sessions": "10%"}, 0, 1, 1),
        ({"buffer_sessions": 0, "min_pods": 2}, 0, 0, 2),
        ({"buffer_sessions": 0, "max_pods": 2}, 30, 40, 2),
        ({"buffer_sessions": 9, "max_pods": 0}, 0, 5, 0),
    ],
)
def test_room_for_those_who_are_there_who_wait_and_who_may_come(
    scaling: dict[str, Any], bound: int, waiting: int, pods: int
) -> None:
    assert sized(spec(**scaling), Demand(bound, waiting), Size(0), 1000.0).pods == pods


def test_while_older_revisions_hold_calls_the_newest_has_a_slot_for_who_comes_next() -> None:
    of = spec(buffer_sessions=0)
    assert sized(of, Demand(0, 0, rolling=True), Size(0), 0.0).pods == 1
    assert sized(of, Demand(9, 0, rolling=True), Size(0), 0.0).pods == 1
    assert sized(of, Demand(10, 0, rolling=True), Size(0), 0.0).pods == 2
    assert sized(spec(buffer_sessions=0, max_pods=0), Demand(0, 0, rolling=True), Size(0), 0.0).pods == 0


def test_a_fixed_size_is_what_it_is() -> None:
    assert sized(fleet(replicas=3).runtime.spec, Demand(100, 100), Size(9), 5.0) == Size(3)


def test_it_grows_at_once_and_shrinks_after_the_delay() -> None:
    of = spec(buffer_sessions=0, scale_down_delay_seconds=60)
    size = sized(of, Demand(30, 0), at_first(0, 0.0), 0.0)
    assert (size.pods, size.falls_at) == (3, None)
    size = sized(of, Demand(30, 0), size, 500.0)
    size = sized(of, Demand(10, 0), size, 501.0)
    assert (size.pods, size.falls_at) == (3, 561.0), "three were wanted until a moment ago"
    size = sized(of, Demand(20, 0), size, 510.0)
    assert (size.pods, size.falls_at) == (3, 561.0)
    size = sized(of, Demand(0, 0), size, 520.0)
    assert (size.pods, size.falls_at) == (3, 561.0)
    size = sized(of, Demand(0, 0), size, 561.0)
    assert (size.pods, size.falls_at) == (2, 580.0), "then to what was wanted within the delay"
    assert sized(of, Demand(0, 0), size, 580.0) == Size(0, ((0, 580.0),))


def test_a_lower_maximum_holds_at_once() -> None:
    size = sized(spec(buffer_sessions=0), Demand(50, 0), Size(0), 0.0)
    assert sized(spec(buffer_sessions=0, max_pods=2), Demand(50, 0), size, 1.0).pods == 2


@given(
    st.lists(st.tuples(st.integers(0, 60), st.floats(0.1, 200.0)), min_size=1, max_size=40),
    st.integers(0, 300),
)
def test_it_is_the_most_that_was_wanted_within_the_delay(steps: list[tuple[int, float]], delay: int) -> None:
    of = spec(slots=3, max_pods=50, buffer_sessions=0, scale_down_delay_seconds=delay)
    now, size, history = 0.0, Size(0), [(0.0, 0)]
    for bound, pause in steps:
        now += pause
        size = sized(of, Demand(bound, 0), size, now)
        history.append((now, -(-bound // 3)))
        ends = [at for at, _ in history[1:]] + [now + 1.0]
        wanted = [pods for (_, pods), end in zip(history, ends, strict=True) if end + delay > now]
        assert size.pods == max(wanted)
        assert len(size.wanted) <= len(history)


@pytest.mark.parametrize(
    ("part", "of", "found"), [(3, 100, 3), ("3", 100, 3), ("25%", 4, 1), ("25%", 5, 2), ("0%", 9, 0)]
)
def test_a_share_is_a_number_or_a_percentage_rounded_up(part: int | str, of: int, found: int) -> None:
    assert share(part, of) == found


def test_the_largest_size() -> None:
    assert (largest(spec(max_pods=7)), largest(fleet(replicas=3).runtime.spec)) == (7, 3)
