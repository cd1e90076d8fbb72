"""What an agent needs of a way to calls: an edge, its place in one call, and where the edge reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from greenroom_core.model.session import ANSWER_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.agent.events import Event
    from greenroom.agent.participants import Participant, User
    from greenroom.agent.video import VideoFrame


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the edge knows it."""

    type: str
    id: str


MAX_ANSWER_CHARACTERS = ANSWER_MAX_LENGTH


class CallSink(Protocol):
    """Where an edge reports what happens in a call; none of these blocks or raises."""

    def participant_joined(self, participant: Participant) -> None: ...

    def participant_left(self, participant: Participant) -> None: ...

    def audio_received(self, participant: Participant, pcm: bytes) -> None:
        """Sound of a participant, of any length. A participant may also be silent by sending nothing."""
        ...

    @property
    def wants_video(self) -> bool:
        """Whether anybody looks. If not, an edge asks for no video and decodes none."""
        ...

    def video_received(self, participant: Participant, frame: VideoFrame) -> None:
        """The newest picture of a participant, at any rate: what the agent has no time for is dropped there."""
        ...

    def call_answered(self, answer: str) -> None:
        """What the edge answers to an offer that came with the session, for instance an SDP: at most
        `MAX_ANSWER_CHARACTERS`, once, within :meth:`Edge.join`. The host makes it known to who made the offer."""
        ...

    def connection_lost(self) -> None:
        """The network is away, and the edge tries to get back; the call goes on meanwhile, and nobody has left it."""
        ...

    def connection_restored(self) -> None: ...

    def call_ended(self) -> None: ...


class Connection(ABC):
    """The agent's place in one call."""

    @abstractmethod
    async def run(self) -> None:
        """Carry the call until it ends or this is cancelled; an edge with tasks has them in here.

        An error ends the agent's session with it.
        """

    @abstractmethod
    def send_audio(self, frame: bytes) -> None:
        """Play 20 ms (`FRAME_BYTES`) to the call; the agent sets the pace and is at most 40 ms ahead."""

    @abstractmethod
    def clear_audio(self) -> None:
        """Stop what has been sent and not been played yet."""

    def show(self, event: Event) -> None:  # noqa: B027 - most calls have nobody to show it to
        """Something that happened in the call (`greenroom.agent.events`), for an edge whose people can see it. Never
        blocks or raises."""

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        """Send plain data to the participants. NotImplementedError where the network has no way for it."""
        raise NotImplementedError(f"{type(self).__name__} has no way to send custom events")

    @abstractmethod
    async def leave(self) -> None:
        """Be out of the call. Once, also when `run` never ran."""


class Edge(ABC):
    """A way to calls: a vendor's network, WebRTC, a file."""

    async def authenticate(self, user: User) -> None:  # noqa: B027 - an edge may have nothing to do
        """Make the agent's user known to the network."""

    async def create_call(self, call_type: str, call_id: str) -> Call:
        return Call(call_type, call_id)

    @abstractmethod
    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Connection:
        """Enter `call`. `session_id` names the agent's session in logs and records."""

    async def close(self) -> None:  # noqa: B027
        """Give everything back; after every connection was left."""
