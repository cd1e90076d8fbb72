"""`python -m tests.bench.scale.crowd`: one process that speaks the runtime's side for every pod of a namespace.

It watches the sessions once for all pods, and writes of each what its pod would: the fields are those of
`greenroom.runtime.report`, the hand that writes them is the runtime's own `StatusWriter`, one a session. No agent
runs, and nothing here starts, drains or judges a pod.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import TYPE_CHECKING

import uvloop
from msgspec import structs

from greenroom.runtime import report
from greenroom.runtime.precedence import Precedence
from greenroom.runtime.writer import StatusWriter
from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason
from greenroom_core.model.session import AgentSession
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

JOIN_SECONDS = 0.02
REQUESTS_LIMIT = 96


class Part:
    """One session in one attempt, as its pod holds it: built at once, in its call soon, there until it is closed."""

    def __init__(
        self, client: KubeClient, session: AgentSession, learn: Callable[[AgentSession], None], first: Precedence
    ):
        self.attempt = session.status.attempt
        self._clock = client.world.clock
        self._outlook = session.status
        self._asked_to_leave: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._writer = StatusWriter(client, session, learn, self._lose, first)

    def observe(self, session: AgentSession) -> None:
        self._writer.observe(session)
        if session.deleting:
            self._leave(EndReason.DELETED)
        elif session.close_requested:
            self._leave(EndReason.CLOSE_REQUESTED)

    async def play(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            self._put(report.running(self._outlook, self._clock.wall()))
            await self._clock.sleep(JOIN_SECONDS)
            self._put(report.joined(self._outlook, self._clock.wall()))
            reason = await self._asked_to_leave
            self._put(report.ended(self._outlook, reason, "", self._clock.wall()))
            self._writer.finish()

    def _put(self, fields: report.Fields) -> None:
        conditions = fields.get("conditions", self._outlook.conditions)
        self._outlook = structs.replace(self._outlook, conditions=conditions)
        self._writer.put(fields)

    def _lose(self, why: str) -> None:
        self._leave(EndReason.POD_LOST)

    def _leave(self, reason: EndReason) -> None:
        if not self._asked_to_leave.done():
            self._asked_to_leave.set_result(reason)


class Crowd:
    """All parts of one namespace."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._feed: Feed[AgentSession] = Feed(client, SESSIONS, Selection(namespace), self._on_session)
        self._parts: dict[str, Part] = {}
        self._first: defaultdict[str, Precedence] = defaultdict(Precedence)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await self._feed.run()

    def _on_session(self, change: Change[AgentSession]) -> None:
        session = change.new
        if session is None:
            return
        uid = session.metadata.uid
        part = self._parts.get(uid)
        if part is not None and part.attempt == session.status.attempt:
            part.observe(session)
        elif session.bound and session.status.phase is Phase.SCHEDULED and self._group is not None:
            first = self._first[session.status.pod_uid or ""]
            self._parts[uid] = part = Part(self._client, session, self._feed.learn, first)
            self._group.create_task(self._play(uid, part))

    async def _play(self, uid: str, part: Part) -> None:
        await part.play()
        if self._parts.get(uid) is part:
            del self._parts[uid]


async def main() -> None:
    credentials = auth.discover()
    transport = HttpTransport(credentials, user_agent="greenroom-crowd", connections_limit=REQUESTS_LIMIT + 16)
    async with transport:
        client = KubeClient(World(SystemClock(), random.Random(), transport), requests_limit=REQUESTS_LIMIT)
        await Crowd(client, credentials.namespace).run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
