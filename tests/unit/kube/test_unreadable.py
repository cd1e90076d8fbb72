"""An object that this program cannot read takes nobody down with it, and is not taken for absent."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Literal

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS, Kind, kind
from greenroom_core.model import names
from greenroom_core.model.meta import Resource, Wire
from greenroom_core.world import World


class _NarrowSpec(Wire, frozen=True):
    runtime: Literal["known"]


class _Narrow(Resource, frozen=True, kw_only=True):
    spec: _NarrowSpec


NARROW: Kind[_Narrow] = kind(f"/apis/{names.API_VERSION}", "agentsessions", _Narrow)


def test_it_is_passed_over_in_lists_and_watches_and_a_known_one_is_not_dropped() -> None:
    async def story() -> None:
        server = FakeApiServer()
        client = KubeClient(World(server.clock, Random(1), server.transport()))

        async def create(name: str, runtime: str) -> None:
            meta = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": {"name": name}}
            await client.create(SESSIONS, "default", {**meta, "spec": {"callId": "c", "runtime": runtime}})

        changes: list[Change[_Narrow]] = []
        feed: Feed[_Narrow] = Feed(client, NARROW, Selection("default"), changes.append)
        await create("strange-1", "unknown")
        await create("plain-1", "known")
        task = asyncio.create_task(feed.run())
        await feed.synced.wait()
        await create("strange-2", "unknown")
        await create("plain-2", "known")
        async with server.clock.timeout(10):
            while len(feed.store) < 2:
                await server.clock.sleep(0.1)
        assert sorted(item.metadata.name for item in feed.store) == ["plain-1", "plain-2"]

        known_before = await client.get(SESSIONS, "default", "strange-1")
        earlier = _Narrow(metadata=known_before.metadata, spec=_NarrowSpec(runtime="known"))
        feed.learn(earlier)
        await feed.relist()
        assert feed.store.named("default", "strange-1") is earlier
        assert not task.done()
        task.cancel()

    run_virtual(story())
