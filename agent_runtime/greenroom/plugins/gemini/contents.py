"""A conversation and functions as Gemini takes them, and its answer as the agent takes it. Does no I/O.

Everything is plain JSON in the API's own names, but for pictures, which are bytes; the SDK checks it against its types.
"""

from __future__ import annotations

import base64
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenroom.agent.conversation import Role, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greenroom.agent.conversation import Message
    from greenroom.agent.tools import Tool

MAX_REMEMBERED_CALLS = 400
NO_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()


class CallMemory:
    """What Gemini wants back with the result of a call, word for word: its own part, with the signature of the
    thought behind it. The conversation, which any model may go on with, does not keep that."""

    def __init__(self) -> None:
        self._parts: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def take(self, part: Any) -> ToolCall:
        """The call in `part` of an answer."""
        call = part.function_call
        taken = ToolCall(call.id or str(uuid.uuid4()), call.name or "", dict(call.args or {}))
        self._parts[taken.id] = part.model_dump(mode="json", exclude_none=True, by_alias=True)
        if len(self._parts) > MAX_REMEMBERED_CALLS:
            self._parts.popitem(last=False)
        return taken

    def part(self, call: ToolCall) -> dict[str, Any]:
        known = self._parts.get(call.id)
        return known or {"functionCall": {"name": call.name, "args": dict(call.arguments)}}

    def gave_id(self, call: ToolCall) -> bool:
        """Whether the id of `call` is Gemini's own."""
        known = self._parts.get(call.id)
        return known is not None and "id" in known.get("functionCall", {})


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the call as a JPEG file, and whom it shows."""

    name: str
    jpeg: bytes


def contents(messages: Sequence[Message], memory: CallMemory, pictures: Sequence[Shown] = ()) -> list[dict[str, Any]]:
    """The conversation: neighbours of one role made one, calls and results only in pairs; `pictures` before the last
    thing that the user said.

    A conversation whose beginning was forgotten may hold half a pair, which Gemini refuses.
    """
    question = next((message for message in reversed(messages) if message.role is Role.USER), None)
    calls = {call.id: call for message in messages for call in message.tool_calls}
    answered = {message.tool_call_id for message in messages if message.role is Role.TOOL}
    told: list[dict[str, Any]] = []
    for message in messages:
        if message.role is Role.TOOL:
            call = calls.pop(message.tool_call_id or "", None)
            _add(told, "user", [] if call is None else [_result(call, message.text, memory)])
        elif message.role is Role.USER:
            shown = _shown(pictures) if message is question else []
            _add(told, "user", [*shown, {"text": message.text}])
        else:
            asked = [memory.part(call) for call in message.tool_calls if call.id in answered]
            _add(told, "model", [*([{"text": message.text}] if message.text else []), *asked])
    return told


def signed(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`told`, whose calls all bear a signature where Gemini wants one: on the first of each step.

    A call of another model, or of another day, has none; Gemini takes a word in its place that says so.
    """
    return [{**content, "parts": _signed(content["parts"])} for content in told]


def declarations(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The functions that the model may ask for."""
    declared = []
    for tool in tools:
        schema = {"parametersJsonSchema": tool.parameters} if tool.parameters.get("properties") else {}
        declared.append({"name": tool.name, "description": tool.description, **schema})
    return declared


def _signed(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = next((part for part in parts if "functionCall" in part), None)
    return [{"thoughtSignature": NO_SIGNATURE, **part} if part is first else part for part in parts]


def _shown(pictures: Sequence[Shown]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for picture in pictures:
        if len(pictures) > 1:
            parts.append({"text": f"The picture of {picture.name}:"})
        parts.append({"inlineData": {"mimeType": "image/jpeg", "data": picture.jpeg}})
    return parts


def _result(call: ToolCall, output: str, memory: CallMemory) -> dict[str, Any]:
    name = {"id": call.id} if memory.gave_id(call) else {}
    return {"functionResponse": {"name": call.name, "response": {"result": output}, **name}}


def _add(told: list[dict[str, Any]], role: str, parts: list[dict[str, Any]]) -> None:
    if parts and told and told[-1]["role"] == role:
        told[-1]["parts"].extend(parts)
    elif parts:
        told.append({"role": role, "parts": parts})
