"""A node in a process of its own: `python -m tests.integration.redis.node race|hold URL NODE …`."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count

from redis.asyncio import Redis
from tests.unit.registry.sessions import ended, info

from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded
from greenroom.registry import SessionRegistry
from greenroom.registry.redis import RedisSessionKVStore

AT_ONCE, PER_CALL, CALLS, CALLERS = 5, 2, 4, 6


async def race(url: str, node_id: str, rounds: int) -> None:
    """Callers take and free places until all nodes together have done so `rounds` times.

    An account in Redis, kept apart from the registry, counts who holds a place. A holder enters after it was admitted
    and leaves before it frees its place, so no entry may read more than a limit.
    """
    seen = {"refused in all": 0, "refused on a call": 0, "held in all": 0, "held on a call": 0}
    async with (
        SessionRegistry(RedisSessionKVStore(url=url), node_id=node_id) as registry,
        Redis.from_url(url) as account,
    ):

        async def enter(call_id: str, step: int) -> None:
            async with account.pipeline(transaction=True) as both:
                in_all, on_call = await both.incrby("held", step).incrby(f"held-{call_id}", step).execute()
            seen["held in all"] = max(seen["held in all"], in_all)
            seen["held on a call"] = max(seen["held on a call"], on_call)

        async def caller(number: int) -> None:
            for turn in count(number, CALLERS):
                session = info(f"{node_id}-{turn}", f"call-{turn % CALLS}", node_id)
                try:
                    await registry.admit(session, max_concurrent_sessions=AT_ONCE, max_sessions_per_call=PER_CALL)
                except MaxConcurrentSessionsExceeded:
                    seen["refused in all"] += 1
                except MaxSessionsPerCallExceeded:
                    seen["refused on a call"] += 1
                else:
                    await account.incr("rounds")
                    await enter(session.call_id, 1)
                    await enter(session.call_id, -1)
                    await registry.finish(ended(session))
                await asyncio.sleep(0.001)  # 48 callers that never pause would keep the processors to themselves
                if int(await account.get("rounds") or 0) >= rounds:
                    return

        await account.incr("ready")
        while not await account.exists("go"):
            await asyncio.sleep(0.005)
        await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    print(json.dumps(seen))


async def hold(url: str, node_id: str, ttl: float) -> None:
    """Holds two places until it is killed."""
    async with SessionRegistry(RedisSessionKVStore(url=url), node_id=node_id, ttl=ttl) as registry:
        await registry.admit(info("held-1", node_id=node_id), max_concurrent_sessions=2)
        await registry.admit(info("held-2", node_id=node_id), max_concurrent_sessions=2)
        print("holding", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    what, address, name, number = sys.argv[1:]
    asyncio.run(race(address, name, int(number)) if what == "race" else hold(address, name, float(number)))
