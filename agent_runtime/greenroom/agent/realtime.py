"""The plug for models that hear and speak themselves: sound in, sound out, no ears and no voice beside them.

A vendor's plugin is :class:`Realtime` with `converse` written: it is given what happens in the call, and says what the
model does. It must not know playout, history and events. Sound is as everywhere in an agent (`greenroom.agent.audio`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from greenroom.agent.interfaces import Model, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.conversation import Message, ToolCall
    from greenroom.agent.tools import Tool, ToolResult
    from greenroom.agent.video import VideoFrame


@dataclass(frozen=True, slots=True)
class Opening:
    """What a model is to know when a connection to it begins; `messages` as they were heard."""

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]


# --- what the model is given ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SoundGiven:
    """The next sound of the user, in real time."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class TextGiven:
    """The user, or the agent's own code, says this in words; the model is to reply at once."""

    text: str


@dataclass(frozen=True, slots=True)
class ResultGiven:
    """What a function that the model wanted called gave."""

    result: ToolResult


@dataclass(frozen=True, slots=True)
class PictureGiven:
    """The newest picture of the user."""

    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class ReplyCut:
    """The reply under way was silenced after `heard_seconds` of it had been heard, that is `heard`. For models that
    want to be told, or must be told to stop."""

    heard: str
    heard_seconds: float


Offer: TypeAlias = SoundGiven | TextGiven | ResultGiven | PictureGiven | ReplyCut


class Given(Protocol):
    """What happens in the call, in order; of sound that is not fetched the oldest is dropped, of pictures all but the
    newest."""

    async def next(self, patience_seconds: float | None) -> Offer | None:
        """The next of it; None if nothing came for `patience_seconds`. May be cancelled at any time.

        A user who stops sending is silent for two seconds more, so that a model that waits for silence gets it.
        """
        ...


# --- what the model says --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserBegan:
    """The user speaks. Silences the agent."""


@dataclass(frozen=True, slots=True)
class UserSoFar:
    """What the user's turn says so far, all of it; may still change."""

    text: str


@dataclass(frozen=True, slots=True)
class UserOver:
    """The user's turn is over: the model replies."""


@dataclass(frozen=True, slots=True)
class UserSaid:
    """The whole of the user's turn. Once a turn that had words; at the latest before the functions that it leads to and
    before the end of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplySound:
    """The next sound of the reply, as fast as the model makes it. The first piece begins a reply."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class ReplyWords:
    """The next words of the reply, with their spaces; about when their sound comes."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """No more of this reply comes; what came is played to its end. Not `whole`: the rest was lost.

    Each reply that began ends with this or with `ReplyDropped`, also when its connection breaks.
    """

    whole: bool = True


@dataclass(frozen=True, slots=True)
class ReplyDropped:
    """The model broke its reply off: what was not heard of it is not to be heard."""


@dataclass(frozen=True, slots=True)
class CallsWanted:
    """The model wants functions called. It may go on speaking; a reply that only does this has begun too."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class CallsUnwanted:
    """The model does not want these calls any more."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RealtimeTrouble:
    """Something failed and the conversation goes on; reported and counted as an error."""

    error: Exception


Said: TypeAlias = (
    UserBegan
    | UserSoFar
    | UserOver
    | UserSaid
    | ReplySound
    | ReplyWords
    | ReplyOver
    | ReplyDropped
    | CallsWanted
    | CallsUnwanted
    | Usage
    | RealtimeTrouble
)


class Realtime(Model, ABC):
    """A model that hears and speaks."""

    chunk_bytes: int = 1280
    """How much sound one piece has: 40 ms."""

    fps: float = 0.0
    """How many pictures a second the model is given at most; 0: it does not look."""

    async def prepare(self, opening: Callable[[], Opening]) -> None:
        """Get ready to converse, after `start` and before the agent enters the call; an error keeps it from that."""

    @abstractmethod
    async def converse(self, opening: Callable[[], Opening], given: Given, said: Callable[[Said], None]) -> None:
        """Converse until cancelled, through reconnects; `said` never blocks or raises.

        `opening` gives what a new connection is to know, as things stand. Runs once, as a task of the call. An error
        raised here ends the call: raise only what no waiting mends.
        """
