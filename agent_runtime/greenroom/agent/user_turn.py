"""The user's turn where the model finds it: its events, its words, and when the user fell silent.

A model tells that a turn began and is over later than it was; when the speech was is taken from how loud the sound was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom.agent.conversation import Message, Role
from greenroom.agent.events import UserTranscriptEvent, UserTurnEndedEvent, UserTurnStartedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.conversation import Conversation
    from greenroom.agent.events import Event
    from greenroom.agent.participants import Participant
    from greenroom.observability import MetricsCollector
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.agent")

QUIET_SECONDS = 0.1  # a shorter pause is no silence: there is noise, and nobody knows when the speech ended


class UserTurn:
    """The turn that is open, or the last one."""

    def __init__(
        self,
        *,
        name: str,
        conversation: Conversation,
        speaker: Callable[[], Participant | None],
        metrics: MetricsCollector,
        emit: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._name = name
        self._conversation = conversation
        self._speaker = speaker
        self._metrics = metrics
        self._emit = emit
        self._clock = clock
        self._began_at: float | None = None
        self._silent_since: float | None = None
        self._participant: Participant | None = None  # who had the floor when it began

    def begin(self) -> bool:
        """Whether it was not open already."""
        if self._began_at is not None:
            return False
        self._began_at = self._clock.boot()
        self._participant = self._speaker()
        self._emit(UserTurnStartedEvent())
        return True

    def end(self, loud: tuple[float, float] | None) -> None:
        """It is over, if it is open; the sound was `loud` from one time to the other."""
        if self._began_at is None:
            return
        now = self._clock.boot()
        since, last = loud or (self._began_at, now)
        silence_seconds = now - last
        self._silent_since = last if silence_seconds >= QUIET_SECONDS else None
        self._began_at = None
        self._metrics.on_turn_ended((last - since) * 1000, silence_seconds * 1000)
        self._emit(UserTurnEndedEvent(last - since, silence_seconds))

    def so_far(self, text: str) -> None:
        self._emit(UserTranscriptEvent(text, final=False, participant=self._participant))

    def said(self, text: str) -> None:
        """All of it."""
        self._metrics.on_realtime_user_transcription()
        self._conversation.add(Message(Role.USER, text))
        self._tell(text, self._participant)

    def typed(self, text: str) -> None:
        """The user said this without a voice."""
        self._conversation.add(Message(Role.USER, text))
        self._tell(text, None)

    def answered(self) -> float | None:
        """When the user had fallen silent before this answer; None if that is not known. Once a turn."""
        since, self._silent_since = self._silent_since, None
        return since

    def _tell(self, text: str, participant: Participant | None) -> None:
        logger.info("[%s] transcript user: %s", self._name, text)
        self._emit(UserTranscriptEvent(text, final=True, participant=participant))
