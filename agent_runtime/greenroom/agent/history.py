"""The form in which a conversation outlives its call: `{"version": 1, "messages": […]}`, plain data, all of it JSON.

Knows what is well formed, not where it is kept nor what the agent does with it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = 1

_Form = TypeVar("_Form", bound=msgspec.Struct)


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    name: str
    arguments: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One message. `tool_calls` are the assistant's; `tool_call_id` is that of the call a tool's message answers."""

    role: Literal["user", "assistant", "tool"]
    text: str
    tool_calls: tuple[Call, ...] = ()
    tool_call_id: str | None = None
    interrupted: bool = False


class _Versioned(msgspec.Struct, frozen=True):
    version: int


class _History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    messages: tuple[Entry, ...]


def plain(entries: Sequence[Entry]) -> dict[str, Any]:
    """`entries` as plain data. What JSON cannot hold in the arguments of a call becomes a text."""
    return msgspec.json.decode(_encoded(_History(VERSION, tuple(entries))), type=dict[str, Any])


def first_that_fits(entries: Sequence[Entry], max_bytes: int) -> int:
    """The index from which on `entries` take up to `max_bytes` as JSON: their number where not even the last one
    fits."""
    left = max_bytes - len(_encoded(_History(VERSION, ())))
    for index in range(len(entries) - 1, -1, -1):
        left -= len(_encoded(entries[index])) + len(",")
        if left < -len(","):  # the first has no comma before it
            return index + 1
    return 0


def _encoded(form: msgspec.Struct) -> bytes:
    return msgspec.json.encode(form, enc_hook=str)


def parsed(history: Mapping[str, Any]) -> tuple[Entry, ...]:
    """What :func:`plain` was given. Raises :class:`ValueError` naming what is wrong, and where."""
    version = _as(_Versioned, history).version
    if version != VERSION:
        raise ValueError(f"history.version is {version}; this Greenroom reads version {VERSION}")
    entries = _as(_History, history).messages
    _check_pairs(entries)
    return entries


def _as(form: type[_Form], history: Mapping[str, Any]) -> _Form:
    try:
        return msgspec.convert(history, form)
    except msgspec.ValidationError as error:
        where = str(error).replace("`$", "`history")
        raise ValueError(f"history is not one that a conversation exported: {where}") from None


def _check_pairs(entries: Sequence[Entry]) -> None:
    """A model refuses a result without its call, and a call without its result."""
    open_calls: Counter[str] = Counter()
    for number, entry in enumerate(entries):
        where = f"history.messages[{number}]"
        if entry.tool_calls and entry.role != "assistant":
            raise ValueError(f"{where}.tool_calls: only an assistant calls functions, its role is {entry.role!r}")
        if (entry.tool_call_id is None) == (entry.role == "tool"):
            raise ValueError(f"{where}.tool_call_id is {entry.tool_call_id!r} where the role is {entry.role!r}")
        if entry.tool_call_id is not None:
            if not open_calls[entry.tool_call_id]:
                raise ValueError(f"{where}.tool_call_id {entry.tool_call_id!r}: no call before it waits for a result")
            open_calls[entry.tool_call_id] -= 1
        open_calls.update(call.id for call in entry.tool_calls)
    unanswered = sorted(name for name, calls in open_calls.items() if calls)
    if unanswered:
        raise ValueError(f"history.messages: no result of the function calls {', '.join(map(repr, unanswered))}")
