"""What was said in a call, as the model is to see it.

Keeps what was heard, not what was meant to be said: an answer that was cut off ends where it was cut.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MESSAGES = 400


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a function called. `id` pairs it with its result."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry. `tool_calls` are the assistant's; `tool_call_id` is that of the call a tool message answers."""

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    interrupted: bool = False


class Conversation:
    """The messages of one call, oldest first; beyond `max_messages` the oldest are forgotten."""

    def __init__(self, max_messages: int = MAX_MESSAGES) -> None:
        self._messages: deque[Message] = deque(maxlen=max_messages)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def add(self, message: Message) -> None:
        self._messages.append(message)

    def retract(self, message: Message) -> None:
        """Forget `message`, this very one: it was not said after all."""
        kept = [entry for entry in self._messages if entry is not message]
        self._messages = deque(kept, self._messages.maxlen)
