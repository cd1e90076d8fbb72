"""Stores in memory: ours, and one that knows only what was asked of stores at first."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.virtual_time import VirtualClock
from tests.unit.registry.store_contract import LONG, StoreContract
from tests.unit.registry.stores import OldStyleStore
from tests.unit.runtime.stories import story

from greenroom.registry import Entry, InMemorySessionKVStore, SessionKVStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestInMemory(StoreContract):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[SessionKVStore]:
        async with InMemorySessionKVStore() as store:
            yield store


class TestOldStyle(StoreContract):
    @pytest.fixture
    def store(self) -> SessionKVStore:
        return OldStyleStore()


async def test_an_old_store_needs_no_more_than_seven_methods():
    store = OldStyleStore()
    async with store as entered:
        assert entered is store
    assert store.twin() is None
    await store.notify("channel", b"message")
    assert [message async for message in store.notifications("channel")] == []


def test_the_seven_methods_are_asked_for():
    with pytest.raises(TypeError, match="abstract"):
        SessionKVStore()  # type: ignore[abstract]


@pytest.mark.parametrize("interval", [0, -1.0])
def test_a_cleanup_interval_is_positive(interval: float):
    with pytest.raises(ValueError, match=r"^cleanup_interval must be > 0$"):
        InMemorySessionKVStore(cleanup_interval=interval)


@story
async def test_expired_values_are_cleared_away_unasked():
    async with InMemorySessionKVStore(cleanup_interval=60.0, clock=VirtualClock()) as store:
        await store.set("a/b", b"1", 10.0)
        await asyncio.sleep(59.0)
        assert "a/b" in store._values
        await asyncio.sleep(2.0)
        assert "a/b" not in store._values


async def test_the_last_close_clears_all():
    store = InMemorySessionKVStore()
    async with store:
        async with store:
            await store.set("a", b"1", LONG)
        assert await store.get("a") == b"1"
    assert await store.get("a") is None
    assert await store.keys("") == []


async def test_notices_reach_all_who_listen_and_nobody_else():
    async with InMemorySessionKVStore() as store:
        async with aclosing(store.notifications("a")) as first, aclosing(store.notifications("a")) as second:  # type: ignore[type-var]
            assert await anext(first) is await anext(second) is None
            await store.notify("a", b"1")
            await store.notify("b", b"2")
            await store.notify("a", b"3")
            assert [await anext(first), await anext(first)] == [b"1", b"3"]
            assert [await anext(second), await anext(second)] == [b"1", b"3"]
        await store.notify("a", b"4")


KEYS = st.sampled_from(["a/1", "a/2", "b/1", "b/c/1", "d"])
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.sampled_from([1.0, 5.0, 20.0])),
    st.tuples(st.just("renew"), KEYS, st.sampled_from([1.0, 5.0, 20.0])),
    st.tuples(st.just("drop"), KEYS, st.just(0.0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.5, 3.0, 10.0])),
)


@given(st.lists(STEPS, max_size=40))
def test_it_behaves_like_a_plain_table_of_expiries(steps: list[tuple[str, str, float]]):
    @story
    async def compare() -> None:
        clock, model = VirtualClock(), dict[str, float]()
        store = InMemorySessionKVStore(clock=clock)
        for what, key, seconds in steps:
            if what == "wait":
                await asyncio.sleep(seconds)
                model = {name: at for name, at in model.items() if at > clock.boot()}
            elif what == "drop":
                model.pop(key, None)
                await store.delete([key])
            elif what == "set":
                model[key] = clock.boot() + seconds
                await store.put_within([Entry(key, b"", seconds)])
            else:
                assert await store.renew_all([(key, seconds)]) == ([] if key in model else [key])
                if key in model:
                    model[key] = clock.boot() + seconds
            for folder in ("a/", "b/", "b/c/"):
                assert sorted(await store.list_folder(folder)) == sorted(k for k in model if k.startswith(folder))
            assert sorted(await store.keys("")) == sorted(model)
            assert len(store._queue) <= 2 * len(model) + 65

    compare()
