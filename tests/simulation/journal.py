"""Everything that happened in a day, in order: what was stored, what was asked and how it ended, what was done to whom.

The writes are taken where they happen, so that nothing is missed, whatever becomes of watches.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from tests.fakes.apiserver.storage import at_version
from tests.invariants import Event, KeyedAnswer, Kind, Type

from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.model import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.apiserver.storage import Record

_KINDS = {
    f"{SESSIONS.plural}.{names.GROUP}": Kind.SESSION,
    f"{RUNTIMES.plural}.{names.GROUP}": Kind.RUNTIME,
    PODS.plural: Kind.POD,
}


@dataclass(slots=True)
class Deeds:
    """What was done on purpose, by which an end may be explained. Sessions by name, pods by uid; `loose` are the
    numbers of starts whose client or API has gone."""

    closed: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    told_pods: set[str] = field(default_factory=set)
    lost_pods: set[str] = field(default_factory=set)


class Journal:
    def __init__(self, now: Callable[[], float]) -> None:
        self.events: list[Event] = []
        self.answers: list[KeyedAnswer] = []
        self.deeds = Deeds()
        self.lines: list[str] | None = None
        """Set to a list to read what was noted."""
        self._now = now
        self._digest = hashlib.sha256()

    def note(self, text: str) -> None:
        line = f"{self._now():.6f} {text}"
        self._digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Of all that was noted: two runs that differ anywhere differ here."""
        return self._digest.hexdigest()

    def record(self, record: Record) -> None:
        body = record.after if record.after is not None else record.before
        assert body is not None
        self.note(f"v{record.version} {record.key.name} {msgspec.json.encode(body).decode()}")
        kind = _KINDS.get(record.key.resource)
        if kind is None:
            return
        if record.after is None:
            type_, body = Type.DELETED, at_version(body, record.version)
        else:
            type_ = Type.ADDED if record.before is None else Type.MODIFIED
        self.events.append(Event(self._now(), kind, type_, record.version, body))
