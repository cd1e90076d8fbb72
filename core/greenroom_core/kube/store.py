"""What a feed knows: the newest version seen of each object, by uid.

Versions only go forward: an answer that overtook the watch is never undone by the watch's older event, and what is
known to be gone does not come back as an older version.
"""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic

from greenroom_core.kube.kinds import R

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TOMBSTONES_LIMIT = 20_000


class Store(Generic[R]):
    """Objects keyed by uid, with their names beside, since names come back and uids do not.

    `by_uid` is a view of them all, always as they are now.
    """

    def __init__(self) -> None:
        self._objects: dict[str, R] = {}
        self.by_uid: Mapping[str, R] = MappingProxyType(self._objects)
        self._uids: dict[tuple[str, str], str] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[R]:
        return iter(self._objects.values())

    def get(self, uid: str) -> R | None:
        return self._objects.get(uid)

    def named(self, namespace: str, name: str) -> R | None:
        return self._objects.get(self._uids.get((namespace, name), ""))

    def put(self, new: R) -> tuple[bool, R | None]:
        """Takes `new` if it is newer than what is known: (taken, what was known before)."""
        meta = new.metadata
        old = self._objects.get(meta.uid)
        known = old.metadata.version if old is not None else self._gone.get(meta.uid, -1)
        if meta.version <= known:
            return False, old
        self._objects[meta.uid] = new
        self._uids[(meta.namespace, meta.name)] = meta.uid
        self._gone.pop(meta.uid, None)
        return True, old

    def drop(self, uid: str, version: int) -> R | None:
        """Marks `uid` as gone at `version`; returns what was known unless that is newer."""
        old = self._objects.get(uid)
        if old is not None and old.metadata.version > version:
            return None
        self._gone[uid] = max(version, self._gone.get(uid, -1))
        self._gone.move_to_end(uid)
        if len(self._gone) > TOMBSTONES_LIMIT:
            self._gone.popitem(last=False)
        if old is None:
            return None
        del self._objects[uid]
        key = (old.metadata.namespace, old.metadata.name)
        if self._uids.get(key) == uid:
            del self._uids[key]
        return old

    def missing_from(self, listed: Iterable[R], version: int) -> list[R]:
        """What is known, not newer than the list, and not in it."""
        present = {item.metadata.uid for item in listed}
        return [item for uid, item in self._objects.items() if uid not in present and item.metadata.version <= version]
