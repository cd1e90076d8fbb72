"""Sessions that have no pod, by the fleet that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom_operator.planning.values import RuntimeKey, runtime_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from greenroom_core.model.session import AgentSession


class Queues:
    """In no order: whose turn it is, is for planning to say."""

    def __init__(self) -> None:
        self._queues: dict[RuntimeKey, dict[str, AgentSession]] = {}

    @property
    def length(self) -> int:
        """Of all queues together."""
        return sum(map(len, self._queues.values()))

    @property
    def fleets(self) -> Collection[RuntimeKey]:
        """That have, or had, a session waiting."""
        return self._queues.keys()

    def observe(self, session: AgentSession) -> None:
        """Takes the session as the API server has it."""
        queue = self._queues.setdefault(runtime_key(session), {})
        if session.ended or session.bound:
            queue.pop(session.metadata.uid, None)
        else:
            queue[session.metadata.uid] = session

    def remove(self, session: AgentSession) -> None:
        self._queues.get(runtime_key(session), {}).pop(session.metadata.uid, None)

    def of(self, key: RuntimeKey) -> Collection[AgentSession]:
        return self._queues.get(key, {}).values()
