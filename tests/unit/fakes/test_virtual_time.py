"""The virtual loop itself: time that costs nothing, and waits that cannot end."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from tests.fakes.virtual_time import (
    EPOCH,
    START_SECONDS,
    Deadlock,
    TimeLimitPassed,
    VirtualClock,
    run_virtual,
)


def test_sleeping_a_day_costs_nothing_and_moves_the_clock() -> None:
    async def day() -> tuple[object, float]:
        clock = VirtualClock()
        await clock.sleep(86_400)
        return clock.wall(), clock.boot()

    begun = time.monotonic()
    wall, boot = run_virtual(day(), limit_seconds=100_000)
    assert wall == EPOCH + timedelta(days=1)
    assert boot == START_SECONDS + 86_400
    assert time.monotonic() - begun < 5


def test_timers_fire_in_order_of_their_time() -> None:
    async def race() -> list[str]:
        seen: list[str] = []

        async def at(seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(f"{seconds:g}@{asyncio.get_running_loop().time() - START_SECONDS:g}")

        await asyncio.gather(*(at(seconds) for seconds in (0.3, 100, 0.1, 7.25)))
        return seen

    assert run_virtual(race()) == ["0.1@0.1", "0.3@0.3", "7.25@7.25", "100@100"]


def test_timeout_of_the_clock_ends_a_wait() -> None:
    async def wait() -> float:
        clock = VirtualClock()
        with pytest.raises(TimeoutError):
            async with clock.timeout(5):
                await asyncio.Event().wait()
        return clock.boot() - START_SECONDS

    assert run_virtual(wait()) == 5


def test_wait_that_nothing_can_end_is_a_deadlock_that_names_the_waiter() -> None:
    async def nobody_sets_this() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="nobody_sets_this"):
        run_virtual(nobody_sets_this())


def test_run_past_its_limit_fails_and_ends_its_tasks() -> None:
    ended: list[str] = []

    async def ticks() -> None:
        try:
            for _ in range(1_000):
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.5)
            ended.append("in order")

    with pytest.raises(TimeLimitPassed, match="not done after 10 s"):
        run_virtual(ticks(), limit_seconds=10)
    assert ended == ["in order"]


def test_thread_is_waited_for_while_virtual_time_stands_still() -> None:
    def slow() -> str:
        time.sleep(0.05)
        return "done"

    async def work() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(1):
            done = await asyncio.to_thread(slow)
        return done, loop.time() - START_SECONDS

    assert run_virtual(work()) == ("done", 0.0)


def test_exception_of_the_coroutine_comes_through() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        run_virtual(fails())
