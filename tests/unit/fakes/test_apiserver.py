"""What the in-memory API server offers to tests beyond the contract: sameness, counting, a bounded past."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.apiserver.faults import any_request
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import Expired, KubeError
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.world import World


def session(name: str) -> dict[str, object]:
    return {
        "apiVersion": "greenroom.dev/v1alpha1",
        "kind": "AgentSession",
        "metadata": {"name": name},
        "spec": {"callId": "c"},
    }


def client_of(server: FakeApiServer, user: str, seed: int = 1) -> KubeClient:
    return KubeClient(World(server.clock, Random(seed), server.transport(user)))


async def story(seed: int) -> list[str]:
    """Clients racing over a bad line; what a watcher saw, and when."""
    server = FakeApiServer(seed=seed)
    chance = Random(seed)
    seen: list[str] = []
    watcher = client_of(server, "watcher")
    feed = Feed(
        watcher,
        SESSIONS,
        Selection("default"),
        lambda change: seen.append(f"{server.clock.boot():.6f} {change}"),
    )
    script = Script(server.clock)
    script.lag_seconds = 0.3
    for _ in range(10):
        script.add(any_request, delay_before_seconds=chance.random(), drop_reply=chance.random() < 0.5)
    writer = client_of(server, "writer", seed)
    writer.world.transport.faults = script  # type: ignore[attr-defined]

    async def write(number: int) -> None:
        try:
            await writer.create(SESSIONS, "default", session(f"s{number % 5}"))
            await writer.merge_patch(
                SESSIONS, "default", f"s{number % 5}", {"status": {"epoch": number}}, subresource="status"
            )
        except KubeError as error:
            seen.append(f"{server.clock.boot():.6f} {number} {error}")

    run = asyncio.create_task(feed.run())
    await asyncio.gather(*(write(number) for number in range(8)))
    await server.clock.sleep(5)
    run.cancel()
    return seen


def test_same_seed_gives_the_same_story_to_the_last_uid_and_microsecond() -> None:
    once, again, other = (run_virtual(story(seed)) for seed in (3, 3, 4))
    assert len(once) > 8
    assert once == again
    assert once != other


def test_answers_are_counted_by_user_verb_resource_and_status() -> None:
    async def count() -> dict[tuple[str, str, str, int], int]:
        server = FakeApiServer()
        api, operator = client_of(server, "api"), client_of(server, "operator")
        await api.create(SESSIONS, "default", session("s"))
        with pytest.raises(KubeError):
            await api.create(SESSIONS, "default", session("s"))
        patch = {"status": {"epoch": 1}}
        await operator.merge_patch(SESSIONS, "default", "s", patch, subresource="status")
        await operator.list(SESSIONS, Selection("default"))
        assert [body["status"]["epoch"] for body in server.objects("agentsessions")] == [1]
        return dict(server.answered)

    assert run_virtual(count()) == {
        ("api", "POST", "agentsessions", 201): 1,
        ("api", "POST", "agentsessions", 409): 1,
        ("operator", "PATCH", "agentsessions/status", 200): 1,
        ("operator", "LIST", "agentsessions", 200): 1,
    }


def test_past_is_bounded_and_a_watch_from_before_it_is_410() -> None:
    async def outlive() -> None:
        server = FakeApiServer(history_limit=5)
        client = client_of(server, "c")
        version = (await client.list(SESSIONS, Selection("default"))).version
        for number in range(6):
            await client.create(SESSIONS, "default", session(f"s{number}"))
        async with client.watch(SESSIONS, Selection("default"), version) as events:
            with pytest.raises(Expired):
                await anext(events)
        async with client.watch(SESSIONS, Selection("default"), str(int(version) + 1)) as events:
            first = SESSIONS.decoder.decode((await anext(events)).object)
        assert first.metadata.name == "s1"

    run_virtual(outlive())


def test_copies_given_to_a_test_do_not_reach_what_is_stored() -> None:
    async def meddle() -> None:
        server = FakeApiServer()
        await client_of(server, "c").create(SESSIONS, "default", session("s"))
        server.objects("agentsessions")[0]["spec"]["callId"] = "changed"
        assert server.objects("agentsessions")[0]["spec"]["callId"] == "c"

    run_virtual(meddle())
