"""Checkpoints in a real Redis."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests.redis_server import RedisServer
from tests.unit.checkpoints.store_contract import SESSION, CheckpointStoreContract

from greenroom.checkpoints import Checkpoint, CheckpointStore
from greenroom.checkpoints.keeping import Keeping
from greenroom.checkpoints.redis import RedisCheckpoints
from greenroom.registry import StoreUnavailable
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEPT = Checkpoint(state='{"said":"ü"}', attempt=3)


class TestContract(CheckpointStoreContract):
    @pytest_asyncio.fixture
    async def store(self, shared_redis: RedisServer, prefix: str) -> AsyncIterator[CheckpointStore]:
        store = RedisCheckpoints(url=shared_redis.url, key_prefix=prefix)
        yield store
        await store.close()


class TestContractWithAClientOfOnesOwn(CheckpointStoreContract):
    @pytest_asyncio.fixture
    async def store(self, shared_redis: RedisServer, prefix: str) -> AsyncIterator[CheckpointStore]:
        async with Redis.from_url(shared_redis.url, decode_responses=True) as client:
            store = RedisCheckpoints(client=client, key_prefix=prefix)
            yield store
            await store.close()
            assert await client.ping(), "the client is still its owner's"


async def test_where_it_stands_and_how_long(own_redis: RedisServer) -> None:
    store = RedisCheckpoints(url=own_redis.url, ttl_seconds=600)
    async with Redis.from_url(own_redis.url, decode_responses=True) as client:
        await store.save(SESSION, KEPT)
        assert await client.keys("*") == ["greenroom:checkpoints/default/0f0f-1"]
        assert await client.hgetall("greenroom:checkpoints/default/0f0f-1") == {"state": KEPT.state, "attempt": "3"}
        await client.pexpire("greenroom:checkpoints/default/0f0f-1", 1_000)
        await store.save(SESSION, KEPT)
        assert 590_000 < await client.pttl("greenroom:checkpoints/default/0f0f-1") <= 600_000
    await store.close()


async def test_of_a_store_that_is_away_the_launcher_hears_in_time_and_goes_on_when_it_is_back(
    own_redis: RedisServer,
) -> None:
    store = RedisCheckpoints(url=own_redis.url, timeout_seconds=0.3)
    await store.save(SESSION, KEPT)
    await own_redis.stop()
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{own_redis.port} did not answer within 0.3 s"):
        await store.save(SESSION, KEPT)
    session = Keeping(store, SystemClock()).of(SESSION, 4)
    assert await session.load() is None
    await own_redis.start()
    await store.save(SESSION, KEPT)
    assert await session.load() == KEPT
    await store.close()


async def test_no_password_is_logged(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("requirepass", "open-sesame")
    store = RedisCheckpoints(url=f"redis://:wrong-sesame@127.0.0.1:{own_redis.port}/0")
    with caplog.at_level(logging.DEBUG):
        session = Keeping(store, SystemClock()).of(SESSION, 4)
        session.put('{"said":"my card number"}')
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(10):
            while "store of checkpoints failed" not in caplog.text:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "sesame" not in caplog.text
    assert "card number" not in caplog.text
    with pytest.raises(RedisError):
        await store.load(SESSION)
    assert "sesame" not in repr(store)
    await store.close()


@pytest.mark.parametrize("given", [{}, {"client": Redis(), "url": "redis://localhost"}])
def test_exactly_one_of_client_and_url(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one of client and url"):
        RedisCheckpoints(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"ttl_seconds": 0}, {"timeout_seconds": 0}])
def test_bounds_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RedisCheckpoints(url="redis://localhost", **wrong)  # type: ignore[arg-type]
