"""The least that a model of the SDK takes for an answer: every field that must be there, with nothing in it."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import datetime
from typing import Any

MOMENT_NANOSECONDS = 1_767_225_600_000_000_000  # how answers over HTTP tell time

_PLAIN: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, object: {}, Any: {}, datetime: MOMENT_NANOSECONDS}


def neutral(model: type, **known: Any) -> dict[str, Any]:
    """JSON that `model` (a dataclass of the SDK) can be read from; `known` fields are as given."""
    hints = typing.get_type_hints(model)
    required = (field for field in dataclasses.fields(model) if field.default is dataclasses.MISSING)
    return {field.name: known.get(field.name, _nothing(hints[field.name])) for field in required} | known


def _nothing(hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return neutral(typing.cast("type", hint))
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return None
    if origin is typing.Literal:
        return typing.get_args(hint)[0]
    if origin in (list, dict):
        return origin()
    return _PLAIN.get(hint, "")
