"""Nodes as processes: they race for places, and die."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from tests.integration.redis import node
from tests.redis_server import RedisServer
from tests.unit.registry.sessions import ids, info
from tests.unit.registry.waiting import until, until_not

from greenroom.errors import MaxConcurrentSessionsExceeded
from greenroom.registry import SessionRegistry
from greenroom.registry.redis import RedisSessionKVStore
from greenroom_core.model.reasons import EndReason

ROOT = Path(__file__).parents[3]
ROUNDS = 1_000


async def start(*words: str) -> Process:
    command = (sys.executable, "-m", "tests.integration.redis.node", *words)
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)


@pytest.mark.parametrize("nodes", [2, 8])
async def test_racing_nodes_never_pass_a_limit(own_redis: RedisServer, nodes: int):
    async with asyncio.timeout(180), Redis.from_url(own_redis.url) as account:
        processes = [await start("race", own_redis.url, f"node-{number}", str(ROUNDS)) for number in range(nodes)]
        await until(lambda: all_ready(account, nodes), 120)
        await account.set("go", 1)
        seen = [json.loads((await process.communicate())[0]) for process in processes]
        assert max(one["held in all"] for one in seen) == node.AT_ONCE
        assert max(one["held on a call"] for one in seen) == node.PER_CALL
        assert sum(one["refused in all"] for one in seen) > 0
        assert sum(one["refused on a call"] for one in seen) > 0
        assert int(await account.get("rounds")) >= ROUNDS
        assert await account.keys("greenroom:sessions/*") == []


async def all_ready(account: Redis, nodes: int) -> bool:
    return int(await account.get("ready") or 0) == nodes


async def test_a_killed_nodes_places_are_free_within_one_ttl(own_redis: RedisServer):
    ttl = 1.0
    holder = await start("hold", own_redis.url, "victim", str(ttl))
    try:
        assert holder.stdout is not None
        async with asyncio.timeout(60):
            assert await holder.stdout.readline() == b"holding\n"
        async with (
            SessionRegistry(RedisSessionKVStore(url=own_redis.url)) as other,
            Redis.from_url(own_redis.url) as admin,
        ):
            with pytest.raises(MaxConcurrentSessionsExceeded):
                await other.admit(info("s1"), max_concurrent_sessions=2)
            holder.kill()
            await holder.wait()
            left = [await admin.pttl(key) for key in await admin.keys("greenroom:sessions/*")]
            assert max(left, default=0) <= 1000 * ttl, "by the clock of Redis, as nobody renews them any more"
            await until_not(lambda: other.get_for_call("call"))
            await other.admit(info("s1"), max_concurrent_sessions=1)
            assert await other.get("call", "held-1") is None
            assert await other.request_close("call", "held-1") is False
            lost = [one for one in await other.list("call") if one.reason is EndReason.POD_LOST]
            assert ids(lost) == {"held-1", "held-2"}
            assert all("victim" in one.message for one in lost)
    finally:
        with suppress(ProcessLookupError):
            holder.kill()
        await holder.wait()
