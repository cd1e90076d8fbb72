"""A feed that says when it knows all that there is now, and a list that is not read twice."""

from __future__ import annotations

import asyncio
from random import Random

from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.apiserver.faults import reads
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import SESSIONS, loose
from greenroom_core.model import names
from greenroom_core.model.session import AgentSession
from greenroom_core.world import World

NAMESPACE = "default"


class Rig:
    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.clock = self.server.clock
        self.transport = self.server.transport("feed")
        self.transport.faults = self.script = Script(self.clock)
        self._other = KubeClient(World(self.clock, Random(1), self.server.transport("other")))
        self.client = KubeClient(World(self.clock, Random(2), self.transport))
        self.feed: Feed[AgentSession] = Feed(self.client, SESSIONS, Selection(NAMESPACE), lambda _: None)

    async def create(self, name: str) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": "AgentSession", "metadata": {"name": name}}
        await self._other.create(SESSIONS, NAMESPACE, {**body, "spec": {"callId": "c"}})

    async def caught_up(self) -> None:
        await self.feed.reach(await self.feed.newest_version())

    @property
    def lists(self) -> int:
        return sum(reads(request) and request.query.get("limit") != "1" for request in self.script.seen)

    def known(self) -> set[str]:
        return {session.metadata.name for session in self.feed.store}


def test_what_had_happened_is_known_once_the_watch_has_come_to_it() -> None:
    async def story() -> None:
        rig = Rig()
        running = asyncio.create_task(rig.feed.run())
        await rig.feed.synced.wait()
        await rig.clock.sleep(1)
        rig.script.lag_seconds = 3.0  # the watch shows late what quorum reads show at once
        await rig.create("before")
        caught_up = asyncio.create_task(rig.caught_up())
        await rig.clock.sleep(2.5)
        assert not caught_up.done()
        assert rig.known() == set()
        await rig.clock.sleep(1)
        assert caught_up.done()
        assert rig.known() == {"before"}
        assert rig.lists == 1
        running.cancel()

    run_virtual(story())


def test_where_nothing_happens_a_bookmark_or_a_list_says_so() -> None:
    async def story() -> None:
        rig = Rig()
        running = asyncio.create_task(rig.feed.run())
        await rig.feed.synced.wait()
        await rig.create("one")
        await rig.caught_up()
        elsewhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "elsewhere"}}
        await rig.client.create(loose("/api/v1", "configmaps"), NAMESPACE, elsewhere)
        caught_up = asyncio.create_task(rig.caught_up())
        await rig.clock.sleep(5)
        assert not caught_up.done(), "the server's version has gone on, and no session's"
        await rig.feed.relist()
        await rig.clock.sleep(0)
        assert caught_up.done()
        running.cancel()

    run_virtual(story())


def test_a_list_that_was_begun_since_will_do() -> None:
    async def story() -> None:
        rig = Rig()
        moment = rig.clock.boot()
        await rig.clock.sleep(1)
        rig.script.add(reads, delay_after_seconds=2.0)
        running = asyncio.create_task(rig.feed.run())
        await rig.clock.sleep(0.1)
        await rig.feed.relist(unless_since=moment)
        assert rig.feed.synced.is_set()
        assert rig.lists == 1
        await rig.feed.relist(unless_since=rig.clock.boot())
        assert rig.lists == 2
        await rig.feed.relist()
        assert rig.lists == 3
        running.cancel()

    run_virtual(story())
