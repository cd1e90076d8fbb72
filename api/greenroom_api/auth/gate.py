"""What every way of recognising a caller gives: an identity for a token, and a verdict on an act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Act(StrEnum):
    """What a route does, as permissions name it."""

    START = "start"
    VIEW = "view"
    CLOSE = "close"
    METRICS = "metrics"
    LIST = "list"


class Unrecognised(Exception):
    """The token is nobody's; the text says why, and never holds the token."""


class Undecided(Exception):
    """Whoever knows could not be asked; trying again later may help."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` stands in audit lines and keeps one caller's Idempotency-Keys and rate apart from another's."""

    name: str
    may: frozenset[Act] = frozenset()


class Gate(Protocol):
    """One way of recognising callers."""

    async def caller(self, token: str) -> Caller:
        """Raises Unrecognised or Undecided."""
        ...

    async def may(self, caller: Caller, act: Act) -> bool:
        """Of a caller that this gate gave out. Raises Undecided."""
        ...


def acts(words: Iterable[str], prefix: str = "") -> frozenset[Act]:
    """Those that `words` name, behind `prefix`; `*` is all of them, and what is none of them is passed over."""
    named = {word.removeprefix(prefix) for word in words if word.startswith(prefix)}
    return frozenset(Act) if "*" in named else frozenset(act for act in Act if act.value in named)
