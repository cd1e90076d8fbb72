"""Makes a broken day small: leaves out events and faults for as long as the same promise stays broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from tests.simulation.day import play

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.script import Script


def shrunk(script: Script) -> Script:
    """The same script where nothing is broken."""
    promise = _promise(script)
    if not promise:
        return script

    def breaks(candidate: Script) -> bool:
        return _promise(candidate) == promise

    faults = [(name, number) for name, befallen in script.faults.items() for number in befallen]
    kept = _fewest(faults, lambda some: breaks(_with_faults(script, some)))
    script = _with_faults(script, kept)
    events = _fewest(script.events, lambda some: breaks(msgspec.structs.replace(script, events=tuple(some))))
    script = msgspec.structs.replace(script, events=tuple(events))
    plain = msgspec.structs.replace(script, places={})
    return plain if breaks(plain) else script


def _promise(script: Script) -> str:
    """The first that is broken, without whom it was broken to; empty for none."""
    try:
        broken = play(script).broken
    except Exception as error:
        return type(error).__name__
    return broken[0].split(":")[0] if broken else ""


def _with_faults(script: Script, some: Sequence[tuple[str, int]]) -> Script:
    faults = {
        name: {number: fault for number, fault in befallen.items() if (name, number) in some}
        for name, befallen in script.faults.items()
    }
    return msgspec.structs.replace(script, faults={name: left for name, left in faults.items() if left})


def _fewest(items: Sequence, enough: Callable[[Sequence], bool]) -> list:
    """Leaves out half of them, then less and less at a time."""
    left, size = list(items), max(len(items) // 2, 1)
    while True:
        position = 0
        while position < len(left):
            fewer = left[:position] + left[position + size :]
            if enough(fewer):
                left = fewer
            else:
                position += size
        if size == 1:
            return left
        size //= 2
