"""What happens in a call, as the JSON that the page gets. Pure.

Anybody who can open the page reads it: errors without secrets, long texts cut.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from greenroom.redaction import described

if TYPE_CHECKING:
    from greenroom.agent.events import Event

MAX_TEXT_CHARACTERS = 4_000
MAX_MESSAGE_BYTES = 32 * 1024
MAX_DEPTH = 6


def of_event(event: Event) -> str | None:
    """`{"type": …, …its fields}`. None if it is too long for a message."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return _encoded({"type": event.type, **fields})


def of_custom(data: Mapping[str, Any]) -> str | None:
    """`{"type": "custom", "custom": …}`. None if it is too long for a message."""
    return _encoded({"type": "custom", "custom": data})


def is_goodbye(message: object) -> bool:
    """Whether the browser says that it hangs up: `{"type": "bye"}`."""
    if not isinstance(message, str) or len(message) > MAX_TEXT_CHARACTERS:
        return False
    try:
        said = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("type") == "bye"


def _encoded(message: Mapping[str, Any]) -> str | None:
    encoded = msgspec.json.encode(_plain(message, MAX_DEPTH))
    return encoded.decode() if len(encoded) <= MAX_MESSAGE_BYTES else None


def _plain(value: Any, depth: int) -> Any:
    """`value` as JSON has it; what is too deep, and what is of no plain kind, as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Exception):
        return described(value)
    if depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth - 1) for field in dataclasses.fields(value)}
    if depth and isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    text = str(value)
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"
