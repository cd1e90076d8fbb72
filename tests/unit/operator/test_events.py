"""Events for `kubectl describe`: few, bounded, and never in the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.virtual_time import run_virtual
from tests.unit.operator.worlds import fleet, session

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.kinds import kind
from greenroom_core.model.meta import Resource
from greenroom_core.world import World
from greenroom_operator.cluster.events import AT_ONCE, MESSAGE_MAX_CHARACTERS, WAITING, Events, Kind


class Event(Resource, frozen=True, kw_only=True):
    reason: str
    message: str
    type: str
    involved_object: dict[str, Any]


EVENTS = kind("/api/v1", "events", Event)


def scene(story: Callable[[Events, KubeClient], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        server = FakeApiServer()
        client = KubeClient(World(server.clock, random.Random(1), server.transport("operator")))
        await client.create(
            kind("/api/v1", "namespaces", Resource),
            None,
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}},
        )
        events = Events(client, "operator-1")
        running = asyncio.create_task(events.run())
        try:
            await story(events, client)
        finally:
            running.cancel()

    run_virtual(play())


async def written(client: KubeClient) -> list[Event]:
    return list((await client.list(EVENTS, Selection("ns"))).items)


def test_it_names_whom_it_is_about() -> None:
    async def story(events: Events, client: KubeClient) -> None:
        events.of_session(session("s1"), Kind.WARNING, "NoFreeSlot", "no ready pod has a free slot")
        events.of_runtime(fleet().runtime, Kind.NORMAL, "Scaled", "1 pods become 2")
        await client.world.clock.sleep(1)
        first, second = sorted(await written(client), key=lambda event: event.reason)
        assert (first.type, first.message) == ("Warning", "no ready pod has a free slot")
        assert first.involved_object["uid"] == "uid-s1"
        assert first.involved_object["kind"] == "AgentSession"
        assert second.involved_object["kind"] == "AgentRuntime"

    scene(story)


def test_the_same_is_said_once_in_ten_minutes() -> None:
    async def story(events: Events, client: KubeClient) -> None:
        for _ in range(50):
            events.of_session(session("s1"), Kind.WARNING, "NoFreeSlot", "no slot")
            await client.world.clock.sleep(10)
        assert len(await written(client)) == 1
        await client.world.clock.sleep(120)
        events.of_session(session("s1"), Kind.WARNING, "NoFreeSlot", "no slot")
        await client.world.clock.sleep(1)
        assert len(await written(client)) == 2

    scene(story)


def test_a_flood_is_slowed_down_and_bounded() -> None:
    async def story(events: Events, client: KubeClient) -> None:
        for number in range(1000):
            events.of_session(session(f"s{number}"), Kind.WARNING, "NoFreeSlot", "x" * 5000)
        await client.world.clock.sleep(0.1)
        assert len(await written(client)) == AT_ONCE
        await client.world.clock.sleep(10)
        assert AT_ONCE + 40 <= len(await written(client)) <= AT_ONCE + 51
        await client.world.clock.sleep(600)
        found = await written(client)
        assert len(found) == WAITING
        assert len(found[0].message) == MESSAGE_MAX_CHARACTERS

    scene(story)
