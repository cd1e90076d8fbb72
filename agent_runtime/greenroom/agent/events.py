"""What happens in a call, as values that an agent's subscribers get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.agent.participants import Participant


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have in common: a name for logs and for other languages."""

    type: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True)
class AgentJoinedCallEvent(Event):
    type: ClassVar[str] = "agent.joined_call"
    call_type: str
    call_id: str


@dataclass(frozen=True, slots=True)
class AgentLeftCallEvent(Event):
    type: ClassVar[str] = "agent.left_call"
    call_type: str
    call_id: str


@dataclass(frozen=True, slots=True)
class AgentFinishEvent(Event):
    """The agent was told to leave while it waited for the end of the call."""

    type: ClassVar[str] = "agent.finish"


@dataclass(frozen=True, slots=True)
class HostLeavingEvent(Event):
    """The host is told to leave. The call may go on for `seconds_left` (None: to its own end); what is still there then
    goes on elsewhere with a new agent if it `moves`, else it ends. Comes again if the time gets shorter."""

    type: ClassVar[str] = "agent.host_leaving"
    seconds_left: float | None
    moves: bool


@dataclass(frozen=True, slots=True)
class ParticipantJoinedEvent(Event):
    type: ClassVar[str] = "call.participant_joined"
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeftEvent(Event):
    type: ClassVar[str] = "call.participant_left"
    participant: Participant


@dataclass(frozen=True, slots=True)
class ConnectionLostEvent(Event):
    """The network is away; the edge tries to get back, and the session fails if it cannot."""

    type: ClassVar[str] = "call.connection_lost"


@dataclass(frozen=True, slots=True)
class ConnectionRestoredEvent(Event):
    type: ClassVar[str] = "call.connection_restored"


@dataclass(frozen=True, slots=True)
class CallEndedEvent(Event):
    type: ClassVar[str] = "call.ended"


@dataclass(frozen=True, slots=True)
class UserTurnStartedEvent(Event):
    type: ClassVar[str] = "agent.user_turn_started"


@dataclass(frozen=True, slots=True)
class UserTurnEndedEvent(Event):
    type: ClassVar[str] = "agent.user_turn_ended"
    duration_seconds: float
    trailing_silence_seconds: float


@dataclass(frozen=True, slots=True)
class UserTranscriptEvent(Event):
    """What the user said: while they speak (`final` False, may still change), then once for the whole turn.

    `participant` is who of several had the floor when the turn began, if it was spoken.
    """

    type: ClassVar[str] = "agent.user_transcript"
    text: str
    final: bool
    participant: Participant | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AgentTurnStartedEvent(Event):
    """The agent's first sound goes out; `response_seconds` after the user's last one, if it answers them."""

    type: ClassVar[str] = "agent.agent_turn_started"
    response_seconds: float | None


@dataclass(frozen=True, slots=True)
class AgentTranscriptEvent(Event):
    """The next sentence of the agent's answer, as it is given to the voice: it may still be cut off.

    `response_seconds` after the user's last sound or word, if it answers them.
    """

    type: ClassVar[str] = "agent.agent_transcript"
    text: str
    response_seconds: float | None


@dataclass(frozen=True, slots=True)
class AgentTurnPausedEvent(Event):
    """The agent fell silent, since the user makes a sound: AgentTurnEndedEvent follows if it is words, else
    AgentTurnResumedEvent."""

    type: ClassVar[str] = "agent.agent_turn_paused"


@dataclass(frozen=True, slots=True)
class AgentTurnResumedEvent(Event):
    """There were no words in the sound: the agent goes on where it stopped."""

    type: ClassVar[str] = "agent.agent_turn_resumed"


@dataclass(frozen=True, slots=True)
class AgentTurnEndedEvent(Event):
    """The agent fell silent; `text` is what could be heard of its answer."""

    type: ClassVar[str] = "agent.agent_turn_ended"
    text: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolCalledEvent(Event):
    type: ClassVar[str] = "agent.tool_called"
    name: str
    output: str
    failed: bool
    duration_seconds: float
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentErrorEvent(Event):
    """One part failed; the call goes on."""

    type: ClassVar[str] = "agent.error"
    part: str
    error: Exception
