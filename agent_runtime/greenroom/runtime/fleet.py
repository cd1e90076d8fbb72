"""The AgentRuntime that this pod belongs to: read when it is needed, and remembered for a while.

Whatever cannot be read is not known: nothing here keeps a session from starting.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom_core.kube.errors import KubeError
from greenroom_core.kube.kinds import RUNTIMES

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.runtime import AgentRuntime

logger = logging.getLogger("greenroom.runtime.fleet")

_REMEMBERED_SECONDS = 30.0


class Fleet:
    """`name` is the AgentRuntime's, in `namespace`."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self.name = name
        self._client = client
        self._clock = client.world.clock
        self._namespace = namespace
        self._known: AgentRuntime | None = None
        self._asked_at: float | None = None

    async def read(self) -> AgentRuntime:
        """As it is now. Raises KubeError."""
        self._asked_at = self._clock.boot()
        self._known = await self._client.get(RUNTIMES, self._namespace, self.name)
        return self._known

    async def recent(self, within_seconds: float) -> AgentRuntime | None:
        """As it was a moment ago at most, or as it was known last; None when it never could be read."""
        if self._asked_at is None or self._clock.boot() - self._asked_at > _REMEMBERED_SECONDS:
            try:
                async with self._clock.timeout(within_seconds):
                    await self.read()
            except (KubeError, TimeoutError) as problem:
                logger.debug("AgentRuntime %s cannot be read: %s", self.name, problem)
        return self._known


async def tell_limits_without_effect(fleet: Fleet, *, concurrent_sessions: int | None, per_call: int | None) -> None:
    """One warning when the agent file sets limits that do not hold in a cluster: there the AgentRuntime's do."""
    set_in_file = {"maxConcurrentSessions": concurrent_sessions, "maxSessionsPerCall": per_call}
    wanted = {field: value for field, value in set_in_file.items() if value is not None}
    if not wanted:
        return
    advice = "in a cluster the AgentRuntime's limits hold, not the agent file's"
    try:
        limits = (await fleet.read()).spec.limits
    except KubeError as problem:
        logger.warning(
            "%s: see that AgentRuntime %s sets %s (it cannot be read: %s)", advice, fleet.name, _fields(wanted), problem
        )
        return
    held = {"maxConcurrentSessions": limits.max_concurrent_sessions, "maxSessionsPerCall": limits.max_sessions_per_call}
    missing = {field: value for field, value in wanted.items() if held[field] is None}
    if missing:
        logger.warning("%s: set %s in AgentRuntime %s", advice, _fields(missing), fleet.name)


def _fields(limits: dict[str, int]) -> str:
    return ", ".join(f"spec.limits.{field}: {value}" for field, value in limits.items())
