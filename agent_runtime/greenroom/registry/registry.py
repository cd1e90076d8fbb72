"""The sessions of all nodes that share a store: their records, their places under the limits, requests to close them.

A registry owns the sessions that were admitted through it. It keeps their records in memory and answers for them
without asking the store; the copies there are for the other nodes, and are written again when they are lost. It knows
nothing of agents, and decides no end.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from greenroom.errors import MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded
from greenroom.redaction import described
from greenroom.registry import records
from greenroom.registry.heartbeat import Heartbeat
from greenroom.registry.info import SessionInfo
from greenroom.registry.keys import SESSIONS, call_folder, ended_key, record_key
from greenroom.registry.memory import InMemorySessionKVStore
from greenroom.registry.reading import Reading
from greenroom.registry.requests import CloseRequests, Id
from greenroom.registry.store import Entry
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from greenroom.registry.store import SessionKVStore
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.registry")

_KEPT_AT_MOST = 1_000
_BATCH = 100


class SessionRegistry:
    """Records of sessions by call and session id, in `store` (None: in this process alone).

    A record lives `ttl` seconds without its owner's renewal. Ended sessions are listed for `kept_seconds`, the last
    1,000 of each node. What `store` raises passes through.
    """

    def __init__(
        self,
        store: SessionKVStore | None = None,
        *,
        node_id: str | None = None,
        ttl: float = 30.0,
        clock: Clock | None = None,
        kept_seconds: float = 3600.0,
    ) -> None:
        if ttl <= 0:
            raise ValueError("ttl must be > 0")
        if kept_seconds < 0:
            raise ValueError("kept_seconds must be >= 0")
        self._clock = clock or SystemClock()
        self._store = store if store is not None else InMemorySessionKVStore(clock=self._clock)
        self._node_id = node_id or str(uuid.uuid4())
        self._lifetimes = records.Lifetimes(ttl, kept_seconds, alone=store is None)
        self._own: dict[Id, records.Own] = {}
        self._reading = Reading(self._store)
        self._requests = CloseRequests(self._store, self._node_id, self._own.keys())
        self._notes: deque[str] = deque()  # of our ended sessions, oldest first
        self._owed: dict[Id, tuple[_Entries, _Keys]] = {}  # ends that the store has not taken yet
        self._refreshing = asyncio.Lock()
        self._at_rest = asyncio.Event()  # no refresh is writing at the moment
        self._at_rest.set()
        self._renewed_at: float | None = None
        self._heartbeat: Heartbeat | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def node_id(self) -> str:
        return self._node_id

    @property
    def ttl(self) -> float:
        """Seconds after which the sessions of a dead node are gone."""
        return self._lifetimes.ttl

    async def start(self) -> None:
        """Called once, before anything else. Raises what the store raises if it cannot be reached."""
        await self._store.start()
        self._renewed_at = self._clock.boot()
        self._tasks = [asyncio.create_task(self._requests.listen(), name="registry-listen")]
        twin = self._store.twin() if isinstance(self._clock, SystemClock) else None
        if twin is None:
            self._tasks.append(asyncio.create_task(self._beat(), name="registry-heartbeat"))
        else:
            self._heartbeat = Heartbeat(twin, self._keys_to_renew, self.ttl / 3, self._clock)
            self._heartbeat.start()

    async def stop(self) -> None:
        """Sessions that are still here leave the store without a trace."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._heartbeat is not None:
            await self._heartbeat.stop()
            self._heartbeat = None
        try:
            await self._leave_nothing()
        except Exception as error:
            logger.warning("what is left of this node's sessions expires in %g s: %s", self.ttl, described(error))
        await self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- the owner's side ---

    async def admit(
        self,
        info: SessionInfo,
        *,
        max_concurrent_sessions: int | None = None,
        max_sessions_per_call: int | None = None,
    ) -> None:
        """Take a place under each limit and write the record, all or none; the session is ours from then on.

        Raises MaxConcurrentSessionsExceeded, MaxSessionsPerCallExceeded. The limits count the living sessions of all
        nodes on the store, as exactly as :meth:`SessionKVStore.put_within` of that store does.
        """
        if self._overdue:  # this very loop was blocked: our places must not look free for it
            await self.refresh({})
        limits = {SESSIONS: max_concurrent_sessions, call_folder(SESSIONS, info.call_id): max_sessions_per_call}
        own = records.Own.of(info)
        try:
            full = await self._store.put_within(
                self._living([own]), limits={folder: most for folder, most in limits.items() if most is not None}
            )
        except asyncio.CancelledError:
            with suppress(Exception):  # it may have been written all the same; else it expires
                await self._store.put_within((), drop=[own.record, own.note])
            raise
        if full == SESSIONS:
            raise MaxConcurrentSessionsExceeded(max_concurrent_sessions or 0)
        if full is not None:
            raise MaxSessionsPerCallExceeded(max_sessions_per_call or 0)
        self._own[info.call_id, info.session_id] = own

    async def register(self, call_id: str, session_id: str) -> None:
        """Take in a session that runs already, and of which nothing else is known."""
        now = self._now()
        await self.take_in(SessionInfo(session_id, call_id, self._node_id, now, now))

    async def take_in(self, info: SessionInfo) -> None:
        """Take in a session that runs already, whatever the limits; it is ours even if the store fails just now."""
        self._own[info.call_id, info.session_id] = records.Own.of(info)
        await self.update(info)

    async def update(self, info: SessionInfo) -> None:
        """Write the new state of a session of ours; one that is over stays so."""
        own = self._own.get((info.call_id, info.session_id))
        if own is None:
            return
        own.info = info
        await self._at_rest.wait()
        await self._store.put_within(self._living([own]))

    async def rename(self, info: SessionInfo, former_id: str) -> None:
        """A session of ours has another id from now on, and keeps its places."""
        former = self._own.pop((info.call_id, former_id), None) or records.Own.of(replace(info, session_id=former_id))
        own = self._own[info.call_id, info.session_id] = records.Own.of(info)
        await self._at_rest.wait()
        await self._store.put_within(self._living([own]), drop=[former.record, former.note])
        # From here on a request in the old name is refused; one from before is taken over.
        asked = await self._requests.among([(info.call_id, former_id)])
        await self._store.delete([self._requests.forget((info.call_id, former_id))])
        if asked:
            self._requests.tell((info.call_id, info.session_id))

    async def finish(self, info: SessionInfo) -> None:
        """A session of ours is over, as `info` tells: its places are free, and it is listed for a while.

        If the store fails, this is done at the next refresh.
        """
        own = records.Own.of(info)
        entries, drop = [], [own.record]
        if self._lifetimes.kept > 0:
            entries.append(Entry(own.note, records.encode(info), self._lifetimes.kept))
            self._notes.append(own.note)
            if len(self._notes) > _KEPT_AT_MOST:
                drop.append(self._notes.popleft())
        await self._end(info.call_id, info.session_id, entries, drop)

    async def remove(self, call_id: str, session_id: str) -> None:
        """Forget a session, as if it had never been."""
        await self._end(call_id, session_id, [], [record_key(call_id, session_id), ended_key(call_id, session_id)])

    async def update_metrics(self, call_id: str, session_id: str, metrics: Any) -> None:
        """Write the figures of one session at once. `metrics`: an AgentMetrics, figures by name, or with `to_dict`."""
        own = self._own.get((call_id, session_id))
        info = own.info if own is not None else await self._reading.one(call_id, session_id)
        if info is None:
            return
        info = replace(info, metrics=records.snapshot(metrics), metrics_updated_at=self._now())
        if own is not None:
            await self.update(info)
        else:
            key = record_key(call_id, session_id)
            await self._store.set(key, records.encode(info), self.ttl, only_if_exists=True)

    async def refresh(self, metrics: Mapping[str, Any]) -> None:
        """Renew every session of ours, with new figures for those in `metrics` (by session id), in few operations.

        Records that the store has lost are written again, and ends that it has not taken yet are told once more.
        """
        async with self._refreshing:
            await self._pay()
            ids = list(self._own)
            for start in range(0, len(ids), _BATCH):
                await self._refresh_some(ids[start : start + _BATCH], metrics)
                await asyncio.sleep(0)
            self._renewed_at = self._clock.boot()

    def on_close_request(self, wake: Callable[[str, str], None]) -> None:
        """`wake(call_id, session_id)` is called in the event loop when one of ours is asked to close.

        That is at once if the store notifies, or the request was made here. What :meth:`get_close_requests` says holds
        in any case: ask it from time to time.
        """
        self._requests.wake = wake

    async def get_close_requests(self, sessions: Mapping[str, str]) -> list[str]:
        """Those of `sessions` (session id → call id) that were asked to close and have not ended since."""
        asked = await self._requests.among([(call_id, session_id) for session_id, call_id in sessions.items()])
        return [session_id for _, session_id in asked]

    # --- anyone's ---

    async def request_close(self, call_id: str, session_id: str) -> bool:
        """Ask for a session's end, wherever it runs. False: there is no such living session, and nothing was asked."""
        if (call_id, session_id) in self._own:
            self._requests.tell((call_id, session_id))
            return True
        return await self._requests.leave((call_id, session_id), self._reading.one)

    async def get(self, call_id: str, session_id: str) -> SessionInfo | None:
        """A living session. Of ours the newest there is, without asking the store."""
        own = self._own.get((call_id, session_id))
        return own.info if own is not None else await self._reading.one(call_id, session_id)

    async def get_for_call(self, call_id: str) -> _Sessions:
        """The living sessions of a call."""
        return list((await self._reading.living(call_id, self._own.values())).values())

    async def list(self, call_id: str | None = None) -> _Sessions:
        """The sessions of a call, or all: living ones, those that ended lately, and those lost with their node."""
        return await self._reading.all(call_id, self._own.values())

    # --- inside: writing ---

    def _now(self) -> float:
        return self._clock.wall().timestamp()

    def _living(self, some: Iterable[records.Own]) -> _Entries:
        now = self._now()
        return [entry for own in some for entry in own.living(now, self._lifetimes)]

    async def _end(self, call_id: str, session_id: str, entries: _Entries, drop: _Keys) -> None:
        self._own.pop((call_id, session_id), None)
        drop.append(self._requests.forget((call_id, session_id)))
        self._owed[call_id, session_id] = (entries, drop)
        await self._at_rest.wait()
        await self._store.put_within(entries, drop=drop)
        self._owed.pop((call_id, session_id), None)

    async def _pay(self) -> None:
        for which, (entries, drop) in list(self._owed.items()):
            await self._store.put_within(entries, drop=drop)
            self._owed.pop(which, None)

    async def _refresh_some(self, ids: Sequence[Id], metrics: Mapping[str, Any]) -> None:
        now = self._now()
        told: _Owns = []
        silent: _Owns = []
        for own in (self._own[which] for which in ids if which in self._own):
            figures = metrics.get(own.info.session_id)
            if figures is not None:
                own.info = replace(own.info, metrics=records.snapshot(figures), metrics_updated_at=now)
            (silent if figures is None else told).append(own)
        self._at_rest.clear()
        try:
            gone = set(await self._store.renew_all([life for own in silent for life in own.lives(self._lifetimes)]))
            told += [own for own in silent if gone.intersection((own.record, own.note))]
            entries = self._living(own for own in told if self._is_ours(own))
            if entries:
                await self._store.put_within(entries)
        finally:
            self._at_rest.set()

    def _is_ours(self, own: records.Own) -> bool:
        return (own.info.call_id, own.info.session_id) in self._own

    async def _leave_nothing(self) -> None:
        await self._pay()
        own = list(self._own.values())
        flags = [self._requests.forget(which) for which in self._own]
        self._own.clear()
        drop = [*(one.record for one in own), *(one.note for one in own), *flags]
        for start in range(0, len(drop), _BATCH):
            await self._store.put_within((), drop=drop[start : start + _BATCH])

    # --- inside: renewing ---

    @property
    def _overdue(self) -> bool:
        late = self.ttl / 2
        return self._heartbeat is None and self._renewed_at is not None and self._clock.boot() - self._renewed_at > late

    def _keys_to_renew(self) -> _Lives:
        """Called in the heartbeat's thread: reads, changes nothing."""
        return [life for own in tuple(self._own.values()) for life in own.lives(self._lifetimes)]

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(self.ttl / 3)
            try:
                await self.refresh({})
            except Exception as error:
                logger.warning("sessions could not be renewed in the store: %s", described(error))


_Sessions = list[SessionInfo]  # a method of the registry is called `list`, too
_Entries = list[Entry]
_Keys = list[str]
_Owns = list[records.Own]
_Lives = list[tuple[str, float]]
