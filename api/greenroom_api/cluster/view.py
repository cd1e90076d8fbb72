"""What this process knows of its namespace: feeds of sessions and runtimes, and the API server's word on a miss."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from greenroom_api.cluster.tally import Tally
from greenroom_api.cluster.waits import Waits
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.errors import Denied, NotFound, Unanswered
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom_core.model.runtime import AgentRuntime
    from greenroom_core.model.session import AgentSession

T = TypeVar("T")

logger = logging.getLogger("greenroom.api.view")

_PAUSE_SECONDS = 0.2
_DENIED_SECONDS = 3.0
_READ_SECONDS = 15.0


class ClusterView:
    """One namespace. `on_change` is told of every step of a session, after the view's own books."""

    def __init__(self, client: KubeClient, namespace: str, on_change: Callable[[Change[AgentSession]], None]) -> None:
        self.client = client
        self.clock = client.world.clock
        self.namespace = namespace
        selection = Selection(namespace)
        self.sessions = Feed(client, SESSIONS, selection, self._session_changed)
        self.runtimes = Feed(client, RUNTIMES, selection, lambda _: None)
        self.tally = Tally()
        self.waits = Waits(self.sessions.store)
        self._on_change = on_change

    def _session_changed(self, change: Change[AgentSession]) -> None:
        self.tally.changed(change)
        self._on_change(change)
        session = change.new or change.old
        if session is not None:
            self.waits.look(session.metadata.uid)

    @property
    def synced(self) -> bool:
        return self.sessions.synced.is_set() and self.runtimes.synced.is_set()

    def known(self, name: str) -> AgentSession | None:
        """What the feed holds under that name."""
        return self.sessions.store.named(self.namespace, name)

    async def session(self, name: str) -> AgentSession | None:
        """From the feed; a miss is asked of the API server once."""
        return self.known(name) or await self.read(name)

    async def read(self, name: str) -> AgentSession | None:
        """The API server's own word, taken into the feed."""
        before = self.known(name)
        try:
            session = await self.answered(lambda: self.client.get(SESSIONS, self.namespace, name), _READ_SECONDS)
        except NotFound:
            if before is not None:
                self.sessions.forget(before)
            return None
        self.sessions.learn(session)
        return session

    async def runtime(self, name: str) -> AgentRuntime | None:
        """From the feed; a miss is asked of the API server once."""
        known = self.runtimes.store.named(self.namespace, name)
        if known is not None:
            return known
        try:
            runtime = await self.answered(lambda: self.client.get(RUNTIMES, self.namespace, name), _READ_SECONDS)
        except NotFound:
            return None
        self.runtimes.learn(runtime)
        return runtime

    async def answered(self, send: Callable[[], Awaitable[T]], within_seconds: float) -> T:
        """Repeats, unchanged, what was not answered, until time is up; then raises Unanswered.

        What was denied is repeated, too, for a moment: an API server that has just started denies everything.
        """
        give_up = self.clock.boot() + within_seconds
        level = logging.WARNING
        while True:
            try:
                return await send()
            except (Unanswered, Denied) as problem:
                if isinstance(problem, Denied):
                    give_up = min(give_up, self.clock.boot() + _DENIED_SECONDS)
                if self.clock.boot() + _PAUSE_SECONDS >= give_up:
                    raise
                logger.log(level, "%s; sending it again until it is answered", problem)
                level = logging.DEBUG
                await self.clock.sleep(_PAUSE_SECONDS)
