"""What was said in a call, as the model is to see it.

Keeps what was heard, not what was meant to be said: an answer that was cut off ends where it was cut.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from greenroom.agent import history

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
        self._supposed: Message | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        return (*self._messages, *([self._supposed] if self._supposed is not None else ()))

    def add(self, message: Message) -> None:
        self._messages.append(message)

    def suppose(self, message: Message) -> None:
        """The user has perhaps said this: it is the last of :attr:`messages` and not exported, until :meth:`confirm` or
        :meth:`retract`. One at a time."""
        self._supposed = message

    def confirm(self) -> None:
        """What was supposed has been said."""
        if self._supposed is not None:
            self.add(self._supposed)
        self._supposed = None

    def retract(self) -> None:
        """What was supposed has not been said."""
        self._supposed = None

    def export(self, max_bytes: int | None = None) -> dict[str, Any]:
        """What was said so far, as plain data of JSON's types: `{"version": 1, "messages": […]}`.

        With `max_bytes` the newest messages that fit into so many bytes as JSON. A function's result whose call was
        forgotten is left out. The answer under way is not in it yet, nor a question that is only supposed.
        """
        said = [_entry(message) for message in self._messages]
        if max_bytes is not None:
            said = said[history.first_that_fits(said, max_bytes) :]
        called: set[str | None] = set()
        entries = []
        for entry in said:
            called.update(call.id for call in entry.tool_calls)
            if entry.role != "tool" or entry.tool_call_id in called:
                entries.append(entry)
        return history.plain(entries)

    def restore(self, earlier: Mapping[str, Any]) -> None:
        """Go on from `earlier`, an exported conversation: its messages go before those of this one.

        Raises :class:`ValueError`, and changes nothing, if it is not one; the error names what is wrong, and where.
        """
        messages = [_message(entry) for entry in history.parsed(earlier)]
        self._messages = deque((*messages, *self._messages), self._messages.maxlen)


def _entry(message: Message) -> history.Entry:
    calls = tuple(history.Call(call.id, call.name, dict(call.arguments)) for call in message.tool_calls)
    return history.Entry(message.role.value, message.text, calls, message.tool_call_id, message.interrupted)


def _message(entry: history.Entry) -> Message:
    calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in entry.tool_calls)
    return Message(Role(entry.role), entry.text, calls, entry.tool_call_id, entry.interrupted)
