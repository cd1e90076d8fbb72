"""Own starts that nobody will have any longer: their objects are ended by a write of their status.

Only while no pod holds them: what has been bound here the pod ends as it ends all others. The operator deletes what was
withdrawn, and ends what a pod that has gone has left.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom.runtime import own
from greenroom_core.kube.errors import Conflict, KubeError, NotFound
from greenroom_core.kube.kinds import SESSIONS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.runtime.starts")

_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


class Withdrawals:
    """Names stay in it for good: what is created late, or bound late, is unwanted all the same."""

    def __init__(
        self,
        client: KubeClient,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        on_settled: Callable[[], None],
    ) -> None:
        self._client = client
        self._spawn = spawn
        self._on_settled = on_settled
        self._unwanted: set[str] = set()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._over = False

    def __contains__(self, name: str) -> bool:
        return name in self._unwanted

    @property
    def busy(self) -> bool:
        """An object that is known to be there is still to be ended."""
        return bool(self._under_way)

    def end(self) -> None:
        """At once: the rest is the operator's."""
        self._over = True
        for task in self._under_way.values():
            task.cancel()

    def add(self, name: str, session: AgentSession | None) -> None:
        """`session`: the object as it is known, None where none is. It may be created yet: then `observe` is told."""
        self._unwanted.add(name)
        if session is not None:
            self.observe(session)

    def observe(self, session: AgentSession) -> None:
        """The newest body of one that no pod holds."""
        name = session.metadata.name
        if self._over or name not in self._unwanted or name in self._under_way or _settled(session):
            return
        task = self._spawn(self._ended(session), f"withdrawal of {name}")
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._done(name))

    async def write(self, session: AgentSession) -> None:
        """One try. Raises Conflict where the session is not as it was, and KubeError."""
        meta = session.metadata
        patch = own.withdrawal(session, self._client.world.clock.wall())
        await self._client.merge_patch(SESSIONS, meta.namespace, meta.name, patch, subresource="status")

    async def _ended(self, session: AgentSession) -> None:
        pause_seconds = _PAUSE_SECONDS
        while not _settled(session):
            try:
                await self.write(session)
                return
            except NotFound:
                return
            except Conflict:
                pass
            except KubeError as problem:
                logger.debug("session %s: not withdrawn yet: %s", session.metadata.name, problem)
                await self._client.world.clock.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            session = await self._newest(session)

    async def _newest(self, session: AgentSession) -> AgentSession:
        """`session` itself where there is no answer, or it has gone: the next write tells."""
        meta = session.metadata
        try:
            return await self._client.get(SESSIONS, meta.namespace, meta.name)
        except KubeError:
            await self._client.world.clock.sleep(_PAUSE_SECONDS)
            return session

    def _done(self, name: str) -> None:
        self._under_way.pop(name, None)
        self._on_settled()


def _settled(session: AgentSession) -> bool:
    """It has ended, or is not to be ended by this hand."""
    return session.ended or session.bound or session.deleting
