"""Where checkpoints are kept beside the API server, so that they outlive a pod that nobody could ask any more.

A store knows texts under names, nothing of agents. One for Redis is in :mod:`greenroom.checkpoints.redis`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_core.model.session import Checkpoint


class CheckpointStore(ABC):
    """Keeps one checkpoint for each session, which several pods may reach, one after the other as a rule.

    `session` is a name that no two sessions share. All methods may raise: that costs the session its checkpoint, never
    its call. What takes over 2 s is given up.
    """

    @abstractmethod
    async def save(self, session: str, checkpoint: Checkpoint) -> None:
        """In place of what is there, unless that is of a later attempt."""

    @abstractmethod
    async def load(self, session: str) -> Checkpoint | None: ...

    @abstractmethod
    async def forget(self, session: str) -> None:
        """The session has ended. Not every end can be told: let what is not saved again expire."""

    async def close(self) -> None:  # noqa: B027 - a store may have nothing to do
        """The pod ends; what is held open may be let go."""
