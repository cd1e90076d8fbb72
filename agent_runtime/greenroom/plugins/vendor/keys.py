"""API keys: from an argument or the environment, and shown to nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "[key]"


class MissingKeyError(ValueError):
    """There is no key; the message names the variable to set."""


class Key:
    """A key that no log, repr, error or pickle shows. Equal keys are equal and hash alike."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself: for the vendor's own client and nothing else."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """`text`, which came from the vendor, without this key."""
        return text.replace(self._value, HIDDEN)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Key({HIDDEN})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled: let the other process read it from its own environment")


def find_key(part: str, given: str | None, *variables: str, environment: Mapping[str, str] = os.environ) -> Key:
    """`given`, or the first of `variables` that has a value. Raises :class:`MissingKeyError`."""
    for value in (given, *(environment.get(variable) for variable in variables)):
        if value and value.strip():
            return Key(value.strip())
    raise MissingKeyError(
        f"{part} has no API key: set the environment variable {' or '.join(variables)}, or pass api_key="
    )
