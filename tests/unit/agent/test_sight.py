"""What the agent sees: the latest frame counts, each looker has its own rate, what is missed is counted."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent.imaging import Rgb
from greenroom.agent.participants import Participant
from greenroom.agent.sight import PictureWish, Sight, View
from greenroom.agent.video import VideoFrame
from greenroom.observability.process import DROPPED_PICTURES

ALICE, BOB = Participant("alice", "Alice"), Participant("bob", "Bob")
CLOCK = VirtualClock()


def frame() -> VideoFrame:
    return VideoFrame(1, 1, CLOCK.boot(), Rgb(1, 1, b"rgb"))


def counted() -> float:
    return DROPPED_PICTURES.collect()[0].samples[0].value


async def film(sight: Sight, frames: int, fps: float = 30.0, who: Participant = ALICE) -> list[VideoFrame]:
    shown = []
    for _ in range(frames):
        shown.append(frame())
        sight.show(who, shown[-1])
        await CLOCK.sleep(1 / fps)
    return shown


async def look(view: View, seen: list[tuple[str, float]], busy_seconds: float = 0.0) -> None:
    while True:
        found = await view.next()
        seen.append((found.participant.id, found.frame.at))
        await CLOCK.sleep(busy_seconds)


def test_each_looker_gets_the_latest_at_its_own_rate() -> None:
    async def scene() -> None:
        sight, began_at = Sight(CLOCK), CLOCK.boot()
        fast: list[tuple[str, float]] = []
        slow: list[tuple[str, float]] = []
        views = sight.view(10.0), sight.view(1.0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(view, seen)) for view, seen in zip(views, (fast, slow), strict=True)]
            await film(sight, 90)
            for task in tasks:
                task.cancel()
        assert 28 <= len(fast) <= 31
        assert 3 <= len(slow) <= 4
        second = slow[1][1] - began_at
        assert 0.93 <= second <= 1.0, "not what waited since the first look"
        assert [view.dropped for view in views] == [0, 0], "faster than wanted is not late"

    run_virtual(scene())


def test_what_a_busy_looker_misses_is_dropped_and_counted() -> None:
    async def scene() -> None:
        sight = Sight(CLOCK)
        before = counted()
        seen: list[tuple[str, float]] = []
        view = sight.view(30.0)
        looking = asyncio.create_task(look(view, seen, busy_seconds=0.5))
        shown = await film(sight, 60)
        looking.cancel()
        assert len(seen) == 4
        assert all(at in [one.at for one in shown] for _, at in seen)
        assert 48 <= view.dropped <= 60 - len(seen)
        assert counted() - before == view.dropped

    run_virtual(scene())


def test_participants_take_turns() -> None:
    async def scene() -> None:
        sight = Sight(CLOCK)
        seen: list[tuple[str, float]] = []
        looking = asyncio.create_task(look(sight.view(10.0), seen))
        async with asyncio.TaskGroup() as group:
            group.create_task(film(sight, 30, who=ALICE))
            group.create_task(film(sight, 90, fps=90.0, who=BOB))
        looking.cancel()
        names = [name for name, _ in seen]
        assert abs(names.count("alice") - names.count("bob")) <= 1

    run_virtual(scene())


def test_who_is_gone_is_not_seen_any_more() -> None:
    async def scene() -> None:
        sight = Sight(CLOCK)
        view = sight.view(10.0)
        sight.show(ALICE, frame())
        sight.show(BOB, frame())
        sight.forget(ALICE)
        assert (await view.next()).participant == BOB
        assert [seen.participant for seen in sight.pictures(PictureWish(count=5))] == [BOB]

    run_virtual(scene())


def test_a_wish_for_nothing_is_an_error() -> None:
    for count, age in ((0, 1.0), (-1, 1.0), (1, 0.0)):
        with pytest.raises(ValueError, match="at least one picture"):
            PictureWish(count, age)


def test_a_model_gets_the_latest_of_the_last_few_and_nothing_old() -> None:
    async def scene() -> None:
        sight = Sight(CLOCK)
        first = await film(sight, 5, who=ALICE)
        second = await film(sight, 5, who=BOB)
        both = sight.pictures(PictureWish(count=2))
        assert [seen.frame for seen in both] == [first[-1], second[-1]]
        assert [seen.participant for seen in sight.pictures(PictureWish(count=1))] == [BOB]
        await CLOCK.sleep(4.95)
        assert [seen.participant for seen in sight.pictures(PictureWish(count=2))] == [BOB]
        await CLOCK.sleep(1.0)
        assert sight.pictures(PictureWish(count=2)) == ()

    run_virtual(scene())
