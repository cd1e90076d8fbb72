"""Whatever a server, a network and a client do to a feed, it ends with what is there and never goes back."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fakes.apiserver import FakeApiServer, Script
from tests.fakes.apiserver.faults import any_request, reads, watches
from tests.fakes.virtual_time import run_virtual

from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import KubeError, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.world import World

if TYPE_CHECKING:
    from greenroom_core.model.session import AgentSession

Deed = tuple[str, int]

_DEEDS = st.tuples(
    st.sampled_from(["create", "bind", "bind", "write", "write", "unbind", "delete", "learn", "learn", "forget"]),
    st.integers(0, 1),
)


class Line(StrEnum):
    """What the feed's line to the server is like during an episode."""

    GOOD = "good"
    LATE = "late"
    CUT = "cut"
    FORGOTTEN = "forgotten"
    LOSSY = "lossy"
    RELISTED = "relisted"


@dataclass(frozen=True)
class Episode:
    """Deeds that follow each other at once, and how long it is quiet afterwards."""

    line: Line
    deeds: list[Deed]
    pause_seconds: float


_EPISODES = st.builds(
    Episode,
    st.sampled_from(Line),
    st.lists(_DEEDS, min_size=1, max_size=8),
    st.sampled_from([0.0, 0.1, 2.0]),
)


class Play:
    """One server, a feed of one pod's sessions over a faulty line, and somebody who writes over a good one."""

    def __init__(self) -> None:
        self.server = FakeApiServer()
        self.transport = self.server.transport("feed")
        self.script = Script(self.server.clock)
        self.transport.faults = self.script
        self.writer = KubeClient(World(self.server.clock, Random(1), self.server.transport("writer")))
        self.changes: list[Change[AgentSession]] = []
        client = KubeClient(World(self.server.clock, Random(2), self.transport), deadline_seconds=2.0)
        selection = Selection("default", fields="status.podName=p1")
        self.feed = Feed(client, SESSIONS, selection, self.changes.append)

    async def episode(self, episode: Episode) -> None:
        relist: asyncio.Task[None] | None = None
        match episode.line:
            case Line.GOOD:
                self.script.lag_seconds = 0.0
            case Line.LATE:
                self.script.lag_seconds = 1.0
            case Line.CUT | Line.FORGOTTEN:
                self.script.add(watches, delay_before_seconds=0.5)
                self.transport.cut_watches()
            case Line.LOSSY:
                self.script.add(any_request, 3, drop_reply=True)
                self.transport.end_watches()
            case Line.RELISTED:
                self.script.add(reads, delay_after_seconds=0.5)
                relist = asyncio.create_task(self._relist())
        for deed in episode.deeds:
            with contextlib.suppress(KubeError):  # a name that is taken, or that nobody has
                await self._do(*deed)
        if episode.line is Line.FORGOTTEN:
            self.server.compact()
        await self.server.clock.sleep(episode.pause_seconds)
        if relist is not None:
            await relist

    async def _do(self, word: str, number: int) -> None:
        name = f"s{number}"
        match word:
            case "create":
                await self.writer.create(SESSIONS, "default", session(name))
            case "write":
                await self._status(name, {"message": f"at {self.server.storage.version}"})
            case "bind":
                await self._status(name, {"podName": "p1"})
            case "unbind":
                await self._status(name, {"podName": None})
            case "delete":
                await self.writer.delete(SESSIONS, "default", name)
            case "learn":
                # As a program does: it takes the answers to what it writes and reads, in its selection.
                item = await self.writer.get(SESSIONS, "default", name)
                if item.status.pod_name == "p1":
                    self.feed.learn(item)
            case "forget":
                await self._forget_if_gone(name)

    async def _status(self, name: str, status: dict[str, object]) -> None:
        await self.writer.merge_patch(SESSIONS, "default", name, {"status": status}, subresource="status")

    async def _forget_if_gone(self, name: str) -> None:
        known = self.feed.store.named("default", name)
        if known is None:
            return
        try:
            found = await self.writer.get(SESSIONS, "default", name)
        except NotFound:
            self.feed.forget(known)
        else:
            if found.metadata.uid != known.metadata.uid:
                self.feed.forget(known)

    async def _relist(self) -> None:
        with contextlib.suppress(KubeError):
            await self.feed.relist()


def session(name: str) -> dict[str, object]:
    spec = {"callId": "c"}
    return {"apiVersion": "greenroom.dev/v1alpha1", "kind": "AgentSession", "metadata": {"name": name}, "spec": spec}


async def play(episodes: list[Episode]) -> Play:
    played = Play()
    run = asyncio.create_task(played.feed.run())
    await played.feed.synced.wait()
    for episode in episodes:
        await played.episode(episode)
    await played.server.clock.sleep(60)
    assert not run.done(), run
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    return played


@settings(max_examples=200, deadline=None)
@example(
    # Two lists at once, of which the earlier is answered later: it must not bring back what has left since.
    [
        Episode(Line.CUT, [("create", 0)], 0.0),
        Episode(Line.FORGOTTEN, [("create", 0)], 0.1),
        Episode(Line.RELISTED, [("bind", 0), ("unbind", 0)], 0.0),
    ]
)
@given(st.lists(_EPISODES, min_size=1, max_size=5))
def test_feed_ends_with_what_is_there_and_reports_only_newer_versions(episodes: list[Episode]) -> None:
    played = run_virtual(play(episodes))
    there = {
        body["metadata"]["uid"]: body["metadata"]["resourceVersion"]
        for body in played.server.objects("agentsessions")
        if body["status"].get("podName") == "p1"
    }
    assert {item.metadata.uid: item.metadata.resource_version for item in played.feed.store} == there
    reported: dict[str, AgentSession] = {}
    newest: dict[str, int] = {}
    for change in played.changes:
        known = change.new or change.old
        assert known is not None
        uid = known.metadata.uid
        assert change.old == reported.pop(uid, None)
        if change.new is not None:
            assert change.new.metadata.version > newest.get(uid, 0)
            newest[uid] = change.new.metadata.version
            reported[uid] = change.new
    assert set(reported) == set(there)
