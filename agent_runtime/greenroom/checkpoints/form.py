"""A checkpoint's form: a JSON object, as a text of at most 16 KiB. Knows not who makes one, nor where it is kept."""

from __future__ import annotations

import json
from typing import Any

from greenroom_core.model.session import CHECKPOINT_MAX_BYTES


def encoded(state: Any) -> str:
    """`state` as a text from which :func:`decoded` makes the same again, but for tuples, which become lists.

    Raises :class:`ValueError` for what is no dict, holds anything but JSON's types, or is larger than
    `CHECKPOINT_MAX_BYTES`.
    """
    if not isinstance(state, dict):
        raise ValueError(f"a checkpoint is a dict, not {type(state).__name__}")
    try:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a checkpoint holds JSON's types alone: {_without_content(error)}") from None
    _check_keys(state)
    if size > CHECKPOINT_MAX_BYTES:
        raise ValueError(f"a checkpoint of {size} bytes, and at most {CHECKPOINT_MAX_BYTES} can be kept")
    return text


def decoded(text: str) -> dict[str, Any] | None:
    """The object; None where the text is none."""
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return state if isinstance(state, dict) else None


def _check_keys(value: Any) -> None:
    """JSON would make a text of every other key, and nobody would find it again."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"a checkpoint's keys are texts, and one is {type(key).__name__}")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)


def _without_content(error: Exception) -> str:
    """What callers said must not get into an error's text."""
    return "it has half a surrogate pair" if isinstance(error, UnicodeError) else str(error)
