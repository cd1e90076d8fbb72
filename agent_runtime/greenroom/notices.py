"""What one session is to do, and what its life tells its host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenroom.limits import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from greenroom_core.model.reasons import EndReason


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one session is to do. `tells_joined`: somebody waits for the notice Joined. `checkpoint`: what the attempt
    before this one has left. `moves`: what the host has to end because it leaves goes on elsewhere."""

    session_id: str
    call_id: str
    call_type: str = "default"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: TimeLimits = field(default_factory=TimeLimits)
    video_track_override_path: str | None = None
    tells_joined: bool = True
    moves: bool = False
    checkpoint: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Built:
    """The agent is there and warmed up; it is about to join."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The agent's edge has answered the offer that came with the session. Bounded; at most once."""

    at: datetime
    answer: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The agent is in the call."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The agent wants this kept for the session's next attempt: a JSON object as a text, the latest in place of those
    before. Any number of times, from Built to Ended."""

    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LeavingSlowly:
    """The agent has been leaving for over a second."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over. `message` is fit for a status: bounded, no traceback, no secret."""

    reason: EndReason
    message: str
    at: datetime


Notice = Built | Answered | Joined | Checkpointed | LeavingSlowly | Ended
