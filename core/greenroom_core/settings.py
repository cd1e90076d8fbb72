"""Settings of a program: one frozen dataclass, filled from flags, then GREENROOM_… variables, then defaults."""

from __future__ import annotations

import argparse
import os
from dataclasses import MISSING, Field, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

S = TypeVar("S")


class BadSetting(Exception):
    """A value that cannot be used; the text names the setting, the value and what is allowed."""


def setting(default: Any, help: str, check: Callable[[Any], bool] | None = None) -> Any:  # noqa: A002
    """A dataclass field that is a setting. `check` says whether a value is allowed; `help` says what is."""
    return field(default=default, metadata={"help": help, "check": check})


def load(
    cls: type[S],
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> S:
    """An instance of `cls`. `--help` prints every setting and leaves; raises BadSetting."""
    parser = argparse.ArgumentParser(prog=program, description=(cls.__doc__ or "").strip())
    hints = get_type_hints(cls)
    known: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]
    for item in known:
        flag = "--" + item.name.replace("_", "-")
        otherwise = "required" if item.default is MISSING else f"default {item.default!r}"
        text = f"{item.metadata['help']} (variable {_variable(item)}, {otherwise})"
        parser.add_argument(flag, dest=item.name, default=None, help=text.replace("%", "%%"))
    given = vars(parser.parse_args(arguments))
    values = {}
    for item in known:
        raw = given[item.name] if given[item.name] is not None else environment.get(_variable(item))
        if raw is not None:
            values[item.name] = _parsed(item, hints[item.name], raw)
        elif item.default is MISSING:
            raise BadSetting(f"--{item.name} (or {_variable(item)}) must be set: {item.metadata['help']}")
    return cls(**values)


def _variable(item: Field[Any]) -> str:
    return f"GREENROOM_{item.name.upper()}"


def _parsed(item: Field[Any], type_: Any, raw: str) -> Any:
    try:
        if type_ is bool:
            value: Any = {"true": True, "1": True, "false": False, "0": False}[raw.lower()]
        else:
            value = type_(raw)
    except (ValueError, KeyError) as error:
        raise BadSetting(f"{_variable(item)}={raw!r} is not a {type_.__name__}: {item.metadata['help']}") from error
    check = item.metadata["check"]
    if check is not None and not check(value):
        raise BadSetting(f"{_variable(item)}={raw!r} is not allowed: {item.metadata['help']}")
    return value
