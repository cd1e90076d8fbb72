"""What a call needs of whatever speaks in it: the voice loop, or a model that speaks itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from greenroom.agent.turn import Turn


class Talking(Protocol):
    """The agent's side of the conversation in one call."""

    async def take(self, turn: Turn) -> None:
        """Say what `turn` wants after the turns before it; waits while many wait already."""
        ...

    def interrupt(self) -> None:
        """Fall silent now. What was said so far stays in the conversation."""
        ...

    async def run(self) -> None:
        """Take turns until cancelled; no turn is left open then."""
        ...
