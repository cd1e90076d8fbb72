"""The store on a real Redis."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from redis.asyncio import BlockingConnectionPool, Redis
from tests.redis_server import RedisServer
from tests.unit.registry.store_contract import LONG, StoreContract

import greenroom.registry
from greenroom.registry import Entry, SessionKVStore, StoreUnavailable
from greenroom.registry.redis import RedisSessionKVStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class TestContract(StoreContract):
    @pytest_asyncio.fixture
    async def store(self, shared_redis: RedisServer, prefix: str) -> AsyncIterator[SessionKVStore]:
        async with RedisSessionKVStore(url=shared_redis.url, key_prefix=prefix) as store:
            yield store


class TestContractWithAClientOfOnesOwn(StoreContract):
    """One that decodes, and has room for fewer connections than there are callers."""

    @pytest_asyncio.fixture
    async def store(self, shared_redis: RedisServer, prefix: str) -> AsyncIterator[SessionKVStore]:
        async with Redis.from_url(shared_redis.url, max_connections=4) as client:
            async with RedisSessionKVStore(client=client, key_prefix=prefix) as store:
                yield store
            assert await client.ping(), "the client is still its owner's"


@pytest.mark.parametrize("given", [{}, {"client": Redis(), "url": "redis://localhost"}])
def test_exactly_one_of_client_and_url(given: dict[str, object]):
    with pytest.raises(ValueError, match="exactly one of client and url"):
        RedisSessionKVStore(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"max_connections": 1}, {"timeout_seconds": 0}])
def test_bounds_are_checked(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RedisSessionKVStore(url="redis://localhost", **wrong)  # type: ignore[arg-type]


async def test_its_address_is_logged_and_no_secret(own_redis: RedisServer, caplog: pytest.LogCaptureFixture):
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("requirepass", "open-sesame")
        url = f"redis://:open-sesame@127.0.0.1:{own_redis.port}/0"
        with caplog.at_level(logging.INFO):
            async with RedisSessionKVStore(url=url):
                pass
    assert f"127.0.0.1:{own_redis.port}" in caplog.text
    assert "open-sesame" not in caplog.text


async def test_a_wrong_password_is_told_at_once(own_redis: RedisServer):
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("requirepass", "open-sesame")
    store = RedisSessionKVStore(url=f"redis://:wrong@127.0.0.1:{own_redis.port}/0", timeout_seconds=60.0)
    async with asyncio.timeout(30):
        with pytest.raises(Exception, match=r"(?i)password|auth") as caught:
            await store.start()
    assert "wrong@" not in str(caught.value)
    await store.close()


async def test_keys_stand_where_the_prefix_says(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url) as store, Redis.from_url(own_redis.url) as client:
        await store.set("sessions/a/b", b"1", 30.0)
        assert await client.get("greenroom:sessions/a/b") == b"1"
        assert 29_000 < await client.pttl("greenroom:sessions/a/b") <= 30_000
        assert await store.keys("") == ["sessions/a/b"]


async def test_no_prefix_sees_anothers_keys(shared_redis: RedisServer, prefix: str):
    async with (
        RedisSessionKVStore(url=shared_redis.url, key_prefix=f"{prefix}*") as wild,
        RedisSessionKVStore(url=shared_redis.url, key_prefix=f"{prefix}b") as plain,
    ):
        await wild.set("s/1", b"", LONG)
        await plain.set("s/2", b"", LONG)
        assert await wild.keys("s/") == await wild.list_folder("s/") == ["s/1"]
        assert await plain.keys("s/") == await plain.list_folder("s/") == ["s/2"]


async def test_nothing_is_left_of_what_expired(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url) as store, Redis.from_url(own_redis.url) as client:
        await store.put_within([Entry(f"s/{number}/x", b"1", 0.05) for number in range(20)])
        async with asyncio.timeout(60):
            while await client.dbsize() > 1:  # the widest folder's list stays until it is written next
                await asyncio.sleep(0.02)
        await store.put_within([Entry("s/a/x", b"1", LONG)])
        await store.put_within((), drop=["s/a/x"])
        assert await client.keys("*") == []


async def test_no_more_connections_than_it_may_have(own_redis: RedisServer):
    async with (
        RedisSessionKVStore(url=own_redis.url, max_connections=4) as store,
        Redis.from_url(own_redis.url) as admin,
    ):
        before = (await admin.info("clients"))["connected_clients"]
        await asyncio.gather(
            *(store.notify("channel", b"") for _ in range(150)),
            *(store.keys("a") for _ in range(150)),
            *(store.get("a") for _ in range(150)),
            *(store.renew_all([("a", LONG)]) for _ in range(150)),
        )
        assert (await admin.info("clients"))["connected_clients"] - before <= 3


async def test_many_at_once_are_few_commands(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url) as store, Redis.from_url(own_redis.url) as admin:
        await store.put_within([Entry("s/0", b"", LONG)])
        before = (await admin.info("stats"))["total_commands_processed"]
        await asyncio.gather(*(store.put_within([Entry(f"s/{n}", b"", LONG)]) for n in range(100)))
        await asyncio.gather(*(store.get(f"s/{n}") for n in range(100)))
        # Each script counts its own calls, too: what goes over the wire is one script, one MGET and INFO.
        calls = await admin.info("commandstats")
        assert calls["cmdstat_evalsha"]["calls"] <= 3
        assert calls["cmdstat_mget"]["calls"] == 1
        assert (await admin.info("stats"))["total_commands_processed"] > before


async def test_it_goes_on_after_a_restart_and_learns_its_scripts_again(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url) as store:
        assert await store.put_within([Entry("s/a", b"1", LONG)]) is None
        await own_redis.stop()
        writing = asyncio.create_task(store.put_within([Entry("s/b", b"2", LONG)], limits={"s/": 1}))
        await own_redis.start()
        assert await writing is None
        assert await store.list_folder("s/") == ["s/b"]
        assert await store.renew_all([("s/a", LONG), ("s/b", LONG)]) == ["s/a"]


async def test_without_redis_it_says_so_in_time_and_comes_back(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url, timeout_seconds=1.0) as store:
        await own_redis.stop()
        where = rf"127\.0\.0\.1:{own_redis.port} did not answer within 1 s: .*[Cc]onnect"
        attempts = [store.get("a"), store.set("a", b"1", LONG), store.keys("a"), store.notify("a", b"")]
        async with asyncio.timeout(20):
            errors = await asyncio.gather(*attempts, return_exceptions=True)
        for error in errors:
            assert isinstance(error, StoreUnavailable)
            with pytest.raises(StoreUnavailable, match=where):
                raise error
        await own_redis.start()
        await store.set("a", b"1", LONG)
        assert await store.get("a") == b"1"


async def test_a_redis_that_hangs_holds_nobody_longer_than_its_limit(own_redis: RedisServer):
    async with RedisSessionKVStore(url=own_redis.url, timeout_seconds=1.0) as store:
        own_redis.process.suspend()
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable):
                await store.get("a")
        own_redis.process.resume()
        await store.set("a", b"1", LONG)
        assert await store.get("a") == b"1"


async def test_start_fails_where_there_is_no_redis(own_redis: RedisServer):
    await own_redis.stop()
    store = RedisSessionKVStore(url=own_redis.url, timeout_seconds=0.2)
    with pytest.raises(StoreUnavailable, match=str(own_redis.port)):
        await store.start()
    await store.close()


async def test_a_subscription_comes_back_and_tells_that_it_was_away(own_redis: RedisServer):
    async with (
        asyncio.timeout(60),
        RedisSessionKVStore(url=own_redis.url) as store,
        aclosing(store.notifications("close/a")) as heard,  # type: ignore[type-var]
    ):
        assert await anext(heard) is None
        await store.notify("close/a", b"1")
        await store.notify("close/b", b"not for us")
        assert await anext(heard) == b"1"
        await own_redis.stop()
        waiting = asyncio.ensure_future(anext(heard))
        await own_redis.start()
        assert await waiting is None
        await store.notify("close/a", b"2")
        assert await anext(heard) == b"2"


async def test_the_order_of_writes_is_kept(shared_redis: RedisServer, prefix: str):
    async with RedisSessionKVStore(url=shared_redis.url, key_prefix=prefix) as store:
        await asyncio.gather(*(store.set("a", b"%d" % number, LONG) for number in range(500)))
        assert await store.get("a") == b"499"


class TestTwin:
    async def test_it_works_in_another_thread_at_the_same_time(self, shared_redis: RedisServer, prefix: str):
        async with RedisSessionKVStore(url=shared_redis.url, key_prefix=prefix) as store:
            twin = store.twin()
            assert twin is not None

            async def use() -> list[str]:
                async with twin:
                    await twin.set("s/twin", b"1", LONG)
                    return await twin.renew_all([("s/a", LONG), ("s/twin", LONG)])

            await store.set("s/a", b"1", LONG)
            working = asyncio.create_task(asyncio.to_thread(asyncio.run, use()))
            while not working.done():
                await store.set("s/a", b"1", LONG)
            assert await working == []
            assert await store.get("s/twin") == b"1"

    @pytest.mark.parametrize("pool", [None, BlockingConnectionPool])
    async def test_a_given_client_is_doubled(
        self, shared_redis: RedisServer, prefix: str, pool: type[BlockingConnectionPool] | None
    ):
        url = shared_redis.url
        client = Redis.from_url(url) if pool is None else Redis.from_pool(pool.from_url(url))
        async with client, RedisSessionKVStore(client=client, key_prefix=prefix) as store:
            twin = store.twin()
            assert twin is not None
            async with twin:
                await twin.set("a", b"1", LONG)
            assert await store.get("a") == b"1"

    async def test_one_that_cannot_be_doubled_has_none(self, shared_redis: RedisServer):
        class Unusual(BlockingConnectionPool):
            pass

        async with Redis.from_pool(Unusual.from_url(shared_redis.url)) as client:
            assert RedisSessionKVStore(client=client).twin() is None


def test_with_the_package_it_is_among_the_others():
    assert greenroom.registry.RedisSessionKVStore is RedisSessionKVStore


def test_without_the_package_the_extra_is_named(tmp_path: Path):
    """Asked of a fresh process, in which `redis` cannot be found."""
    script = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "redis" or name.startswith("redis."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
import greenroom.registry
print(hasattr(greenroom.registry, "RedisSessionKVStore"), end=" ")
try:
    import greenroom.registry.redis
except ModuleNotFoundError as error:
    print(error.name, "|", error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("False redis | ")
    assert "greenroom[redis]" in done.stdout
