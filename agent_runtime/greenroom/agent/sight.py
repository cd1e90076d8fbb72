"""What the agent sees: of each participant the latest frame, for any number of lookers at rates of their own.

Holds frames as they came. A looker who is late or slow misses frames and delays nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom.observability.process import DROPPED_PICTURES

if TYPE_CHECKING:
    from greenroom.agent.participants import Participant
    from greenroom.agent.video import VideoFrame
    from greenroom_core.clock import Clock


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame, and whom it shows: their camera or what they share."""

    participant: Participant
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class PictureWish:
    """What a model wants to see with a question: at most `count` pictures, the latest of each participant, none older
    than `max_age_seconds`."""

    count: int = 1
    max_age_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.count < 1 or not self.max_age_seconds > 0:
            raise ValueError(f"{self}: at least one picture, of an age of more than 0 s")


class View:
    """One looker. Gets at most `fps` frames a second of all participants in turn, each the latest of its participant.

    `dropped` counts the frames that were replaced by later ones while the looker was still busy past its time; those
    that came faster than it wants to look are not counted.
    """

    def __init__(self, fps: float, clock: Clock) -> None:
        self._period_seconds = 1.0 / fps
        self._clock = clock
        self._due_at = 0.0
        self._waiting: dict[str, Seen] = {}
        self._shown = asyncio.Event()
        self.dropped = 0

    async def next(self) -> Seen:
        """The frame of the participant who has waited longest, not before this looker's time has come."""
        await self._clock.sleep(max(0.0, self._due_at - self._clock.boot()))
        while not self._waiting:
            self._shown.clear()
            await self._shown.wait()
        seen = self._waiting.pop(next(iter(self._waiting)))
        self._due_at = self._clock.boot() + self._period_seconds
        return seen

    def show(self, seen: Seen) -> None:
        if seen.participant.id in self._waiting and seen.frame.at > self._due_at:
            self.dropped += 1
            DROPPED_PICTURES.inc()
        self._waiting[seen.participant.id] = seen
        self._shown.set()

    def forget(self, participant: Participant) -> None:
        self._waiting.pop(participant.id, None)

    def close(self) -> None:
        self._waiting.clear()


class Sight:
    """The frames of one call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: dict[str, Seen] = {}
        self._views: list[View] = []
        self._closed = False

    def view(self, fps: float) -> View:
        """One more looker, to the end of the call."""
        view = View(fps, self._clock)
        self._views.append(view)
        return view

    def show(self, participant: Participant, frame: VideoFrame) -> None:
        """The newest frame of `participant`."""
        if self._closed:
            return
        seen = Seen(participant, frame)
        self._latest[participant.id] = seen
        for view in self._views:
            view.show(seen)

    def forget(self, participant: Participant) -> None:
        """`participant` is gone, with their picture."""
        self._latest.pop(participant.id, None)
        for view in self._views:
            view.forget(participant)

    def close(self) -> None:
        """Keep no frame any more, also of what is still reported: an agent that has left may be kept for long."""
        self._closed = True
        self._latest.clear()
        for view in self._views:
            view.close()

    def pictures(self, wish: PictureWish) -> tuple[Seen, ...]:
        """What a model is shown now, the oldest first."""
        oldest_at = self._clock.boot() - wish.max_age_seconds
        recent = sorted((seen for seen in self._latest.values() if seen.frame.at >= oldest_at), key=_arrival)
        return tuple(recent[-wish.count :])


def _arrival(seen: Seen) -> float:
    return seen.frame.at
