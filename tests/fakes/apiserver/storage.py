"""Objects under one growing version, with a bounded memory of what happened.

Stored bodies are never changed in place: whoever holds one holds that version for good.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from tests.fakes.apiserver.answers import Object, expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_VERSION = 100
"""A server that has just started has a past that nobody can watch from."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """`resource` is such as `agentsessions.greenroom.dev`; the namespace is empty for cluster-wide ones."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """One write: `before` is None for a creation, `after` for a deletion."""

    version: int
    key: Key
    before: Object | None
    after: Object | None


def copied(body: Object) -> Object:
    result: Object = msgspec.json.decode(msgspec.json.encode(body))
    return result


def at_version(body: Object, version: int) -> Object:
    """`body` saying that it is of `version`; shares the rest."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


class Storage:
    """`on_write` hears of every write, in order, before anything else happens."""

    def __init__(self, history_limit: int, on_write: Callable[[Record], None]) -> None:
        self.version = FIRST_VERSION
        self._objects: dict[Key, Object] = {}
        self._history: deque[Record] = deque(maxlen=history_limit)
        self._forgotten = FIRST_VERSION
        self._on_write = on_write

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def within(self, resource: str, namespace: str) -> list[Object]:
        """All of a namespace (empty: of all), in the order of their keys."""
        found = (k for k in self._objects if k.resource == resource and namespace in ("", k.namespace))
        return [self._objects[key] for key in sorted(found)]

    def put(self, key: Key, body: Object) -> Object:
        """Stores `body` as the next version and gives it as stored."""
        self.version += 1
        before = self._objects.get(key)
        stored = at_version(body, self.version)
        self._objects[key] = stored
        self._record(Record(self.version, key, before, stored))
        return stored

    def remove(self, key: Key) -> Object:
        """Gives the last body, at the version of its removal."""
        self.version += 1
        before = self._objects.pop(key)
        self._record(Record(self.version, key, before, None))
        return at_version(before, self.version)

    def since(self, version: int) -> Iterator[Record]:
        """What happened after `version`. Raises Failure (410) where that is no longer known."""
        if version < self._forgotten:
            raise expired(f"too old resource version: {version} ({self._forgotten})")
        return (record for record in self._history if record.version > version)

    def knows(self, version: int) -> bool:
        return version >= self._forgotten

    def forget(self) -> None:
        """Forgets everything that happened so far, as a compaction does."""
        self._history.clear()
        self._forgotten = self.version

    def _record(self, record: Record) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(record)
        self._on_write(record)
