"""The fence that a new leader puts up before it binds anything.

A paused predecessor may still send writes that it planned before its pause. Each carries the version of the session
that it was planned from; touching every unbound session makes all of those versions old.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.errors import Conflict, KubeError, NotFound, Withheld
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import versioned_status

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.operator.fence")

_AGAIN_SECONDS = 0.2
_AT_A_TIME = 16
"""A renewal of the Lease waits in the server behind all of these: a busy one must still come to it in time."""


async def fence(client: KubeClient, feed: Feed[AgentSession], epoch: int) -> int:
    """Touches every session that no pod holds; returns how many. Raises Withheld when leadership is lost."""
    exposed = [session for session in feed.store if _exposed(session, epoch)]
    waiting = iter(exposed)

    async def touch_some() -> None:
        for session in waiting:
            await _touch(client, feed, session, epoch)

    async with asyncio.TaskGroup() as group:
        for _ in exposed[:_AT_A_TIME]:
            group.create_task(touch_some())
    if exposed:
        logger.info("fenced %d waiting sessions at epoch %d", len(exposed), epoch)
    return len(exposed)


def _exposed(session: AgentSession, epoch: int) -> bool:
    return not session.bound and not session.ended and session.status.epoch < epoch


async def _touch(client: KubeClient, feed: Feed[AgentSession], session: AgentSession, epoch: int) -> None:
    meta = session.metadata
    while _exposed(session, epoch):
        try:
            session = await _touched_or_read(client, session, epoch)
        except NotFound:
            feed.forget(session)
            return
        except Withheld:
            raise
        except KubeError as error:
            logger.debug("session %s not fenced yet: %s", meta.key, error)
            await client.world.clock.sleep(_AGAIN_SECONDS)
            continue
        if session.metadata.uid != meta.uid:
            # The name came back as another session, made after the lease changed hands: nobody planned on it.
            return
        feed.learn(session)


async def _touched_or_read(client: KubeClient, session: AgentSession, epoch: int) -> AgentSession:
    meta = session.metadata
    try:
        patch = versioned_status(meta.resource_version, {"epoch": epoch})
        return await client.merge_patch(SESSIONS, meta.namespace, meta.name, patch, subresource="status")
    except Conflict:
        return await client.get(SESSIONS, meta.namespace, meta.name)
