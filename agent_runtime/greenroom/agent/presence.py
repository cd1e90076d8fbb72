"""Who is in the call, since when, and for how long the agent has been alone. Pure: `now` is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.agent.participants import Participant


class Presence:
    """The participants of one call and the agent's times in it, in seconds of one clock."""

    def __init__(self) -> None:
        self._participants: dict[str, Participant] = {}
        self._voiceless: set[str] = set()
        self._alone_since: float | None = None
        self._joined_at: float | None = None
        self._left = False

    @property
    def participants(self) -> tuple[Participant, ...]:
        """Those in the call, the longest there first."""
        return tuple(self._participants.values())

    @property
    def joined(self) -> bool:
        return self._joined_at is not None

    def entered(self, participant: Participant, *, voiceless: bool = False) -> None:
        self._participants[participant.id] = participant
        (self._voiceless.add if voiceless else self._voiceless.discard)(participant.id)
        self._alone_since = None

    def left(self, participant: Participant, now: float) -> None:
        self._voiceless.discard(participant.id)
        if self._participants.pop(participant.id, None) is not None and not self._participants:
            self._alone_since = now

    def agent_joined(self, now: float) -> None:
        self._joined_at = now

    def agent_left(self) -> None:
        self._left = True

    @property
    def voices(self) -> int:
        """How many of them can be heard."""
        return len(self._participants) - len(self._voiceless)

    def idle_for(self, now: float) -> float:
        """Seconds alone in the call; 0 before the join is complete, with company, and after the call."""
        if self._joined_at is None or self._participants or self._left:
            return 0.0
        alone_since = self._joined_at if self._alone_since is None else self._alone_since
        return now - max(alone_since, self._joined_at)

    def on_call_for(self, now: float) -> float:
        """Seconds since the join was complete; 0 before and after the call."""
        return 0.0 if self._joined_at is None or self._left else now - self._joined_at
