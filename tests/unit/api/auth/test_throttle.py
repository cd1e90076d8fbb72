"""Buckets that fill again."""

from __future__ import annotations

from tests.fakes.virtual_time import VirtualClock
from tests.unit.api.rig import virtual

from greenroom_api.auth import throttle
from greenroom_api.auth.throttle import Throttle


@virtual
async def test_burst_then_rate() -> None:
    clock = VirtualClock()
    bucket = Throttle(clock, per_second=10.0, burst=5)
    assert [bucket.wait_seconds("ann") for _ in range(5)] == [0.0] * 5
    assert bucket.wait_seconds("ann") == 0.1
    passed = 0
    for _ in range(1000):
        await clock.sleep(0.01)
        passed += bucket.wait_seconds("ann") == 0.0
    assert 99 <= passed <= 101


@virtual
async def test_a_pause_gives_the_burst_again_and_no_more() -> None:
    clock = VirtualClock()
    bucket = Throttle(clock, per_second=10.0, burst=5)
    await clock.sleep(1000)
    assert [bucket.wait_seconds("ann") for _ in range(6)].count(0.0) == 5


@virtual
async def test_callers_who_are_many_do_not_fill_the_memory() -> None:
    bucket = Throttle(VirtualClock(), per_second=1.0, burst=1)
    for number in range(throttle.CALLERS + 100):
        bucket.wait_seconds(f"caller-{number}")
    assert len(bucket._buckets) == throttle.CALLERS
