"""A day as data: the fleet, what happens when, and what befalls which request. Drawn from a seed, or kept in a file.

A kept script means the same for ever; a seed means what :mod:`drawing` makes of it today.
"""

from __future__ import annotations

from typing import Any

import msgspec

DAY_SECONDS = 40.0
TEAM = "example.com/team"
FAULTY_REQUESTS = {"write": 80, "read": 40, "lease": 60}
"""So many requests of a program, counted by what they are, may be befallen; later ones are not."""


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What befalls one request. `kind`: refuse (it never leaves), lose (on its way), reply (it is carried out, the
    answer is lost), late (the answer comes after `value` seconds), slow (it is carried out after `value` seconds),
    status (`value` is the answer)."""

    kind: str
    value: float = 0


class Event(msgspec.Struct, frozen=True, array_like=True):
    """At `at` seconds. `pick`, from 0 to 1, says which of those there are it is about."""

    at: float
    what: str
    pick: float = 0.0
    value: Any = None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a program runs: its wall clock is so far ahead, its boot clock begins there and runs at that rate, its
    requests and their answers travel for so long, and what its watches show is so old."""

    skew_seconds: float = 0.0
    boot_seconds: float = 0.0
    rate: float = 1.0
    way_seconds: float = 0.0
    lag_seconds: float = 0.0


class Script(msgspec.Struct, frozen=True):
    """`seed` seeds what programs draw themselves. Places go by a program's name, such as `operator-1`, faults by the
    name with what the request is, such as `operator-1 write`, and its number among those."""

    seed: int
    fleets: dict[str, dict[str, Any]]
    events: tuple[Event, ...]
    faults: dict[str, dict[int, Fault]]
    places: dict[str, Place]


def encoded(script: Script) -> bytes:
    return msgspec.json.encode(script)


def decoded(data: bytes) -> Script:
    return msgspec.json.decode(data, type=Script)
