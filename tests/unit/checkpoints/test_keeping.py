"""How checkpoints get into a store: seldom, the latest, and never at a call's cost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.fakes.checkpoints import MemoryCheckpoints
from tests.fakes.virtual_time import VirtualClock
from tests.unit.checkpoints.store_contract import CheckpointStoreContract
from tests.unit.runtime.stories import story

from greenroom.checkpoints.keeping import Keeping, SessionKeeping
from greenroom.observability.process import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.checkpoints import CheckpointStore


class TestTheFake(CheckpointStoreContract):
    @pytest.fixture
    def store(self) -> CheckpointStore:
        return MemoryCheckpoints()


@asynccontextmanager
async def keeping(store: MemoryCheckpoints) -> AsyncIterator[SessionKeeping]:
    """One session's, running."""
    session = Keeping(store, VirtualClock()).of("default/u1", 1)
    running = asyncio.create_task(session.run())
    try:
        yield session
    finally:
        running.cancel()
        (outcome,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)


def states(store: MemoryCheckpoints) -> list[str]:
    return [checkpoint.state for _, checkpoint in store.saves]


def failures(operation: str) -> float:
    return CHECKPOINTS.labels(operation, "failed")._value.get()


@story
async def test_the_first_is_saved_at_once_and_then_the_latest_in_five_seconds() -> None:
    store = MemoryCheckpoints()
    async with keeping(store) as session:
        for number in range(120):  # 12 s
            session.put(str(number))
            await asyncio.sleep(0.1)
    assert states(store) == ["0", "49", "99"]
    assert [later - sooner for sooner, later in pairwise(store.saved_at)] == pytest.approx([5.0, 5.0])


@story
async def test_nothing_new_is_not_saved_again() -> None:
    store = MemoryCheckpoints()
    async with keeping(store) as session:
        session.put("1")
        await asyncio.sleep(100)
        session.put("2")
        await asyncio.sleep(0.1)
    assert states(store) == ["1", "2"]


@story
async def test_a_store_that_is_away_is_told_of_once_and_gets_the_latest_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryCheckpoints()
    store.away = True
    before = failures("save")
    with caplog.at_level(logging.INFO, "greenroom.runtime.checkpoints"):
        async with keeping(store) as session:
            session.put('{"said":"my card number"}')
            await asyncio.sleep(16)
            assert failures("save") - before == 4
            session.put("2")
            store.away = False
            await asyncio.sleep(5)
    assert states(store) == ["2"]
    assert [record.message for record in caplog.records] == [
        "the store of checkpoints failed (save): ConnectionError: there is no store at 10.0.0.9; the calls go on",
        "the store of checkpoints answers again",
    ]


@story
async def test_a_store_that_does_not_answer_is_given_up_after_two_seconds(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryCheckpoints()
    store.silent = True
    session = Keeping(store, VirtualClock()).of("default/u1", 2)
    begun = asyncio.get_running_loop().time()
    assert await session.load() is None
    await session.forget()
    assert asyncio.get_running_loop().time() - begun == pytest.approx(4.0)
    assert caplog.text.count("no answer in 2 s") == 1
