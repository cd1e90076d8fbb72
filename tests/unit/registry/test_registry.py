"""The registry on stores of one process, and what it checks before it has one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.fakes.virtual_time import VirtualClock
from tests.unit.registry.registry_contract import RegistryContract
from tests.unit.registry.sessions import ended, info
from tests.unit.registry.stores import OldStyleStore
from tests.unit.runtime.stories import story

from greenroom.errors import MaxConcurrentSessionsExceeded
from greenroom.registry import InMemorySessionKVStore, SessionKVStore, SessionRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class TestInMemory(RegistryContract):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[SessionKVStore]:
        async with InMemorySessionKVStore() as store:
            yield store

    @pytest.fixture
    def other(self, store: SessionKVStore) -> SessionKVStore:
        return store


class TestOldStyle(RegistryContract):
    notifies = False

    @pytest.fixture
    def store(self) -> SessionKVStore:
        return OldStyleStore()

    @pytest.fixture
    def other(self, store: SessionKVStore) -> SessionKVStore:
        return store


@pytest.mark.parametrize("ttl", [0, -1.0])
def test_a_ttl_is_positive(ttl: float):
    with pytest.raises(ValueError, match=r"^ttl must be > 0$"):
        SessionRegistry(ttl=ttl)


def test_nothing_is_kept_for_less_than_no_time():
    with pytest.raises(ValueError, match=r"^kept_seconds must be >= 0$"):
        SessionRegistry(kept_seconds=-1.0)


def test_each_node_has_an_id():
    assert SessionRegistry(node_id="a").node_id == "a"
    assert SessionRegistry().node_id != SessionRegistry().node_id
    assert SessionRegistry().ttl == 30.0


@story
async def test_a_blocked_loop_takes_its_own_sessions_for_living():
    clock = VirtualClock()
    async with SessionRegistry(clock=clock, ttl=30.0) as registry:
        await registry.admit(info("s1"), max_concurrent_sessions=1)
        registry._tasks[1].cancel()  # as if the loop had had no turn in which to renew
        await asyncio.sleep(300.0)
        with pytest.raises(MaxConcurrentSessionsExceeded):
            await registry.admit(info("s2"), max_concurrent_sessions=1)


class Failing(OldStyleStore):
    """Refuses everything while `broken`."""

    broken = False

    async def set(self, key: str, value: bytes, ttl: float, *, only_if_exists: bool = False) -> None:
        if self.broken:
            raise ConnectionError("the store is away")
        await super().set(key, value, ttl, only_if_exists=only_if_exists)


async def test_an_end_that_the_store_did_not_take_is_told_again():
    store = Failing()
    async with SessionRegistry(store) as registry, SessionRegistry(store) as other:
        session = info("s1")
        await registry.admit(session)
        store.broken = True
        with pytest.raises(ConnectionError):
            await registry.finish(ended(session))
        assert await registry.get("call", "s1") is not None, "the record stands, though nobody renews it"
        store.broken = False
        await registry.refresh({})
        assert await other.get("call", "s1") is None
        assert [one.phase.value for one in await other.list()] == ["Closed"]


async def test_a_session_registered_without_its_store_is_written_later():
    store = Failing()
    async with SessionRegistry(store) as registry, SessionRegistry(store) as other:
        store.broken = True
        with pytest.raises(ConnectionError):
            await registry.register("call", "s1")
        with pytest.raises(ConnectionError):
            await registry.admit(info("s2"))
        store.broken = False
        await registry.refresh({})
        assert [one.session_id for one in await other.list()] == ["s1"]


async def test_a_record_that_is_none_of_ours_is_passed_over(caplog: pytest.LogCaptureFixture):
    async with InMemorySessionKVStore() as store, SessionRegistry(store) as registry:
        await store.set("sessions/call/s1", b"{", 30.0)
        await store.set("sessions/call/s2", b'{"session_id": "s2"}', 30.0)
        assert await registry.get("call", "s1") is await registry.get("call", "s2") is None
        assert await registry.get_for_call("call") == await registry.list() == []
    assert "cannot be read" in caplog.text
