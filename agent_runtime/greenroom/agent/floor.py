"""Whom of several in a call the agent listens to: who speaks keeps the floor until they pause.

Pure: `now` is passed in. Voices are not mixed, since a recogniser makes nothing of two at once. With one caller nothing
is computed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from greenroom.agent.audio import FRAME_SECONDS, peak

if TYPE_CHECKING:
    from greenroom.agent.participants import Participant

LOUD_PEAK = 600
"""Of 32768: what is less is a room, not a voice."""
LOUD_FRAMES = 3
"""In a row, before somebody is taken to speak: a key or a cup is shorter."""
HANDOVER_SECONDS = 0.6
"""A pause that is longer than the one that ends a turn."""
PRE_ROLL_SECONDS = 0.3


class _Waiting:
    """Somebody who has not the floor: their last sound, in case they get it."""

    __slots__ = ("loud_frames", "sound")

    def __init__(self) -> None:
        self.sound: deque[bytes] = deque(maxlen=round(PRE_ROLL_SECONDS / FRAME_SECONDS))
        self.loud_frames = 0


class Floor:
    """Give it all sound of all callers; it gives back what is to be listened to."""

    def __init__(self) -> None:
        self.holder: Participant | None = None
        self._loud_at = 0.0
        self._waiting: dict[str, _Waiting] = {}

    def heard(self, participant: Participant, pcm: bytes, now: float, *, alone: bool) -> bytes:
        """What of this is for the agent's ears. `alone`: no other caller has a voice."""
        if self.holder is None or self.holder.id == participant.id:
            self.holder = participant
            if not alone and peak(pcm) >= LOUD_PEAK:
                self._loud_at = now
            return pcm
        if alone:
            return self._handed_over(participant, pcm, now)
        waiting = self._waiting.setdefault(participant.id, _Waiting())
        waiting.sound.append(pcm)
        waiting.loud_frames = waiting.loud_frames + 1 if peak(pcm) >= LOUD_PEAK else 0
        if waiting.loud_frames < LOUD_FRAMES or now - self._loud_at < HANDOVER_SECONDS:
            return b""
        return self._handed_over(participant, b"".join(waiting.sound), now)

    def left(self, participant: Participant) -> None:
        self._waiting.pop(participant.id, None)
        if self.holder is not None and self.holder.id == participant.id:
            self.holder = None

    def _handed_over(self, participant: Participant, pcm: bytes, now: float) -> bytes:
        self.holder = participant
        self._loud_at = now
        self._waiting.pop(participant.id, None)
        return pcm
