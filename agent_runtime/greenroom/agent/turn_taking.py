"""The plug for ears that find the turns themselves: a recogniser that needs no voice activity beside it.

:class:`greenroom.agent.interfaces.STT` is told when a turn begins and ends; these tell. Sound is as everywhere in an
agent (`greenroom.agent.audio`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from greenroom.agent.interfaces import Component

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The user speaks: a turn is open until `SpeechOver`."""


@dataclass(frozen=True, slots=True)
class SpeechSoFar:
    """What the open turn says so far; may still change."""

    text: str


@dataclass(frozen=True, slots=True)
class SpeechProbablyOver:
    """An eager end of turn: `text` may be the whole of it. An answer is prepared and not spoken yet."""

    text: str


@dataclass(frozen=True, slots=True)
class SpeechWentOn:
    """The turn was not over after all: what was prepared for it is withdrawn."""


@dataclass(frozen=True, slots=True)
class SpeechOver:
    """The turn ended: `speech_seconds` from first to last word, then `silence_seconds`; the recogniser was
    `latency_seconds` behind the sound it was given. `text` is "" if nothing was understood."""

    text: str
    speech_seconds: float = 0.0
    silence_seconds: float = 0.0
    latency_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class HearingTrouble:
    """Something failed and hearing goes on; reported and counted as an error."""

    error: Exception


Heard: TypeAlias = SpeechBegan | SpeechSoFar | SpeechProbablyOver | SpeechWentOn | SpeechOver | HearingTrouble


class Sound(Protocol):
    """The caller's sound, in real time. What is not fetched waits, bounded, the oldest dropped first."""

    async def chunk(self, patience_seconds: float | None) -> bytes | None:
        """The next piece; None if the caller sent nothing for `patience_seconds`. May be cancelled at any time.

        A caller who stops sending within a turn or shortly after sound is filled up with silence, so that a
        recogniser that waits for silence gets it.
        """
        ...


class TurnTakingSTT(Component, ABC):
    """A streaming speech recogniser that finds the turns."""

    chunk_bytes: int = 2560
    """How much sound one piece has: 80 ms."""

    @abstractmethod
    async def hear(self, sound: Sound, heard: Callable[[Heard], None]) -> None:
        """Listen until cancelled, through reconnects; `heard` never blocks or raises.

        Runs once, as a task of the call. An error raised here ends the call: raise only what no waiting mends.
        """
