"""What the AgentRuntime says that this pod belongs to, as far as the operator told the pod when it made it.

The pod reads no AgentRuntime; the operator goes by what holds now.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.runtime.settings import RuntimeSettings

logger = logging.getLogger("greenroom.runtime.fleet")


def tell_limits_without_effect(
    settings: RuntimeSettings, *, concurrent_sessions: int | None, per_call: int | None
) -> None:
    """One warning when the agent file sets limits that do not hold in a cluster: there the AgentRuntime's do."""
    in_file = {"maxConcurrentSessions": concurrent_sessions, "maxSessionsPerCall": per_call}
    held = {
        "maxConcurrentSessions": settings.max_concurrent_sessions,
        "maxSessionsPerCall": settings.max_sessions_per_call,
    }
    missing = [
        f"spec.limits.{field}: {value}" for field, value in in_file.items() if value is not None and not held[field]
    ]
    if missing:
        logger.warning(
            "in a cluster the AgentRuntime's limits hold, not the agent file's: set %s in AgentRuntime %s",
            ", ".join(missing),
            settings.runtime,
        )
