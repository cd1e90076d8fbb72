"""The promises about sessions, checked against what the API server showed during a run.

A :class:`Recorder` takes down the watch streams on a connection of its own; :func:`check` is pure: events in,
violations out. It reads raw objects and shares no code with the programs but the closed lists of phases and reasons.
"""

from __future__ import annotations

from tests.invariants.checker import Tolerance, Violation, assert_holds, check
from tests.invariants.events import Event, Kind, Type
from tests.invariants.keys import KeyedAnswer
from tests.invariants.recorder import Recorder

__all__ = ["Event", "KeyedAnswer", "Kind", "Recorder", "Tolerance", "Type", "Violation", "assert_holds", "check"]
