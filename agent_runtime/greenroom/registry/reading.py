"""What a store tells of sessions, to whoever asks: records read, and put together with those that the asker owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.registry import records
from greenroom.registry.keys import ENDED, SESSIONS, call_folder, record_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from greenroom.registry.info import SessionInfo
    from greenroom.registry.store import SessionKVStore

_BATCH = 100


class Reading:
    """`call_id` None stands for all calls; `ours` are the sessions that the asker owns, known better than the store."""

    def __init__(self, store: SessionKVStore) -> None:
        self._store = store

    async def one(self, call_id: str, session_id: str) -> SessionInfo | None:
        """A living session, as the store has it."""
        return records.decode(await self._store.get(record_key(call_id, session_id)))

    async def living(self, call_id: str | None, ours: Iterable[records.Own]) -> dict[str, SessionInfo]:
        """By key."""
        known = {own.record: own.info for own in ours if call_id in (None, own.info.call_id)}
        keys = await self._store.list_folder(_folder(SESSIONS, call_id))
        return known | await self._decoded([key for key in keys if key not in known])

    async def all(self, call_id: str | None, ours: Iterable[records.Own]) -> list[SessionInfo]:
        """Living ones, those that ended lately and those lost with their node, by their age."""
        # Notes first: a session that comes after this look has one, too, and must not seem lost for it.
        notes = await self._store.list_folder(_folder(ENDED, call_id))
        living = await self.living(call_id, ours)
        ended = [note for note in notes if SESSIONS + note.removeprefix(ENDED) not in living]
        found = [*living.values(), *(await self._decoded(ended)).values()]
        return sorted(found, key=lambda info: (_created(info), info.session_id))

    async def _decoded(self, keys: Sequence[str]) -> dict[str, SessionInfo]:
        values: list[bytes | None] = []
        for start in range(0, len(keys), _BATCH):
            values += await self._store.mget(list(keys[start : start + _BATCH]))
        infos = zip(keys, map(records.decode, values), strict=True)
        return {key: info for key, info in infos if info is not None}


def _folder(top: str, call_id: str | None) -> str:
    return top if call_id is None else call_folder(top, call_id)


def _created(info: SessionInfo) -> float:
    return info.started_at if info.created_at is None else info.created_at
