"""How often Python looks for cycles of objects in a process that holds many sessions."""

from __future__ import annotations

import gc

_EVERY_OBJECTS = 10_000


def collect_less_often() -> None:
    """By default Python looks after 700 new objects, which is a few starts: with many sessions alive that was a third
    of a start's cost, and a stall in every call. A slower pace that somebody has set stays."""
    first, *rest = gc.get_threshold()
    if 0 < first < _EVERY_OBJECTS:
        gc.set_threshold(_EVERY_OBJECTS, *rest)
