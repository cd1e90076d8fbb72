"""One consumer of AgentSessions in a process of its own: says `ready`, then the number it has seen, each once."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any

import kopf
import uvloop

from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import names
from greenroom_core.world import World
from greenroom_operator.handlers import configure, connection

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession


class Count:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, uid: str) -> None:
        self._seen.add(uid)
        # Bursts are counted in whole hundreds.
        if len(self._seen) % 100 == 0:
            print(len(self._seen), flush=True)


async def by_feed(namespace: str, count: Count) -> None:
    async with HttpTransport(auth.discover(), user_agent="intake") as transport:
        client = KubeClient(World(SystemClock(), random.Random(), transport))

        def on_change(change: Change[AgentSession]) -> None:
            if change.new is not None:
                count.add(change.new.metadata.uid)

        feed = Feed(client, SESSIONS, Selection(namespace), on_change)
        async with asyncio.TaskGroup() as group:
            group.create_task(feed.run())
            await feed.synced.wait()
            print("ready", flush=True)


async def by_kopf(namespace: str, count: Count, *, stateful: bool) -> None:
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        if not stateful:
            configure(settings)
        settings.posting.enabled = False
        settings.scanning.disabled = True

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(auth.discover())

    async def seen(body: kopf.Body, **_: Any) -> None:
        count.add(body.metadata["uid"])

    hang = kopf.on.create if stateful else kopf.on.event
    hang(names.GROUP, names.VERSION, "agentsessions", registry=registry)(seen)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(kopf.operator(registry=registry, standalone=True, namespaces=[namespace], ready_flag=ready))
        await ready.wait()
        print("ready", flush=True)


def main() -> None:
    kind, namespace = sys.argv[1:]
    count = Count()
    work = by_feed(namespace, count) if kind == "feed" else by_kopf(namespace, count, stateful=kind == "create")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
