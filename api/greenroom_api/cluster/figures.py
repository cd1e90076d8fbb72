"""Fresh metrics on demand: one annotation asks the session's pod, every request that waits shares it.

A figure's age is counted from when this process saw it arrive, so that no two machines' clocks are compared.
"""

from __future__ import annotations

import logging
from asyncio import shield
from typing import TYPE_CHECKING

from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.kube.patches import annotation_patch
from greenroom_core.model import names

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine

    from greenroom_api.cluster.view import ClusterView
    from greenroom_core.kube.feed import Change
    from greenroom_core.model.session import AgentSession

logger = logging.getLogger("greenroom.api.figures")

FRESH_SECONDS = 2.0
"""Figures this young are answered as they are; nobody asks more often than this for one session."""

WAIT_SECONDS = 1.5


class Figures:
    """`spawn` starts a task that the backend keeps."""

    def __init__(self, view: ClusterView, spawn: Callable[[Coroutine[None, None, None]], Task[object]]) -> None:
        self._view = view
        self._spawn = spawn
        self._arrived_at: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}
        self._asking: dict[str, Task[object]] = {}

    def changed(self, change: Change[AgentSession]) -> None:
        old, new = change.old, change.new
        if new is None or new.ended:
            uid = (new or old).metadata.uid  # type: ignore[union-attr]
            self._arrived_at.pop(uid, None)
            self._asked_at.pop(uid, None)
        elif old is not None and old.status.metrics_generated_at != new.status.metrics_generated_at:
            self._arrived_at[new.metadata.uid] = self._view.clock.boot()

    async def refresh(self, session: AgentSession) -> None:
        """Returns when the feed holds figures that are fresh, or as fresh as they get in a bounded time."""
        uid = session.metadata.uid
        asking = self._asking.get(uid)
        if asking is None:
            if self._recent(self._arrived_at.get(uid)) or self._recent(self._asked_at.get(uid)):
                return
            self._asked_at[uid] = self._view.clock.boot()
            asking = self._asking[uid] = self._spawn(self._ask(session))
            asking.add_done_callback(lambda _: self._asking.pop(uid, None))
        await shield(asking)

    def _recent(self, at: float | None) -> bool:
        return at is not None and self._view.clock.boot() - at <= FRESH_SECONDS

    async def _ask(self, session: AgentSession) -> None:
        view, before = self._view, session.status.metrics_generated_at
        name = session.metadata.name
        named = {"session": name, "call": session.spec.call_id}
        value = f"{view.client.world.random.getrandbits(64):016x}"
        patch = annotation_patch({names.METRICS_REQUESTED: value})
        try:
            async with view.clock.timeout(WAIT_SECONDS):
                await view.client.merge_patch(SESSIONS, view.namespace, name, patch)
                await view.waits.until(
                    session.metadata.uid,
                    lambda now: now is None or now.ended or now.status.metrics_generated_at != before or None,
                )
        except TimeoutError:
            logger.debug("session %s: no fresh metrics in %g s", name, WAIT_SECONDS, extra=named)
        except KubeError as problem:
            logger.warning("session %s: not asked for fresh metrics: %s", name, problem, extra=named)
