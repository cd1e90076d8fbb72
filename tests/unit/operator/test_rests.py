"""A pod that gave a session back is left alone, for longer each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.unit.operator.worlds import NOW, fleet, pod, session, snapshot

from greenroom_operator.planning.cycle import plan
from greenroom_operator.planning.values import Bind, RuntimeKey
from greenroom_operator.state.rests import Rests

KEY = RuntimeKey("ns", "default")


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_rest_ends_once() -> None:
    rests = Rests()
    assert rests.returned("p1", KEY, NOW) == NOW + after(1)
    assert rests.resting(NOW + after(0.9)) == {"p1"}
    assert rests.ended(NOW + after(0.9)) == []
    assert rests.resting(NOW + after(1)) == set()
    assert rests.ended(NOW + after(1)) == [KEY]
    assert rests.ended(NOW + after(2)) == []


def test_rests_grow_and_are_forgotten() -> None:
    rests, now, lengths = Rests(), NOW, []
    for _ in range(8):
        until = rests.returned("p1", KEY, now)
        lengths.append((until - now).total_seconds())
        now = until
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60]
    rests.ended(now + after(121))
    assert rests.returned("p1", KEY, now + after(121)) == now + after(122)


def test_sessions_that_come_back_together_are_one_event() -> None:
    rests = Rests()
    assert {rests.returned("p1", KEY, NOW + after(0.1 * number)) for number in range(5)} == {NOW + after(1)}


def test_resting_pod_takes_nothing() -> None:
    world = snapshot([session("a")], [pod("p1"), pod("p2")], of=fleet())
    for resting, expected in ((set(), ["p1"]), ({"uid-p1"}, ["p2"]), ({"uid-p1", "uid-p2"}, [])):
        planned = plan(replace(world, resting=resting)).actions
        assert [action.pod.metadata.name for action in planned if isinstance(action, Bind)] == expected
