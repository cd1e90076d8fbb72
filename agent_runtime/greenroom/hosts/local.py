"""Sessions of one process, alone or with others on the same registry: serve, the console and users' own servers.

Limits are taken before an agent is built and given back when it has left. It knows nothing of Kubernetes.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.errors import StartAbandoned
from greenroom.hosts.answers import polled, settled
from greenroom.hosts.records import Records
from greenroom.hosts.resident import Resident
from greenroom.notices import Answered, Assignment, Built, Checkpointed, Ended, Joined, LeavingSlowly, Notice
from greenroom.observability import AgentMetrics
from greenroom.redaction import described
from greenroom.registry import SessionInfo
from greenroom.session import AgentSession
from greenroom_core import session_context
from greenroom_core.model.phases import Phase
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from greenroom.hosts import Wanted
    from greenroom.limits import TimeLimits
    from greenroom.lives import Lives
    from greenroom.registry import SessionRegistry
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.host")

_NO_FIGURES = AgentMetrics()

_METRICS_AT_A_TIME = 50
"""Between so many agents' figures the loop turns: nobody's audio waits for a thousand."""


class LocalHost:
    """`maintenance_interval_seconds` is how often figures go to the registry and close requests are looked for at
    least. Limits None are none."""

    warms_up = False

    def __init__(
        self,
        lives: Lives,
        registry: SessionRegistry,
        clock: Clock,
        *,
        time_limits: TimeLimits,
        max_concurrent_sessions: int | None,
        max_sessions_per_call: int | None,
        maintenance_interval_seconds: float,
    ) -> None:
        self._lives = lives
        self._registry = registry
        self._clock = clock
        self._time_limits = time_limits
        self._room_for = max_concurrent_sessions
        self._records = Records(
            registry,
            max_concurrent_sessions=max_concurrent_sessions,
            max_sessions_per_call=max_sessions_per_call,
        )
        self._interval_seconds = maintenance_interval_seconds
        self._residents: dict[str, Resident] = {}
        self._present: dict[Resident, None] = {}
        self._lingering: set[asyncio.Task[Any]] = set()
        self._maintenance: asyncio.Task[None] | None = None
        self._draining = False
        self._stopping = False
        self._stops = 0

    # --- start, drain, stop ---

    async def start(self) -> None:
        self._draining = False
        await self._registry.start()
        self._registry.on_close_request(self._wake)
        self._maintenance = asyncio.create_task(self._maintain(), name="launcher-maintenance")

    async def stop(self) -> None:
        self._stopping = True
        self._stops += 1
        try:
            await self._end_all("the launcher was stopped")
        finally:
            self._stopping = False
        if self._maintenance is not None:
            self._maintenance.cancel()
            with suppress(asyncio.CancelledError):
                await self._maintenance
            self._maintenance = None
        await self._records.written()
        await self._registry.stop()
        await self._lives.close()

    async def drain(self, timeout: float | None) -> bool:
        self._draining = True
        for resident in self._present if timeout != 0 else ():
            resident.life.host_leaves(timeout)
        with suppress(TimeoutError):
            async with self._clock.timeout(timeout):
                await self._all_gone()
        finished = not self._present
        await self._end_all("the launcher was drained")
        return finished

    @property
    def running(self) -> bool:
        return self._maintenance is not None and not self._stopping

    @property
    def draining(self) -> bool:
        return self._draining

    async def _end_all(self, why: str) -> None:
        for resident in self._present:
            resident.life.leave(EndReason.DRAINED, why)
        await self._all_gone()

    async def _all_gone(self) -> None:
        while self._present:
            await next(iter(self._present)).gone.wait()

    # --- sessions of this process ---

    @property
    def full(self) -> bool:
        return self._room_for is not None and len(self._present) >= self._room_for

    @property
    def sessions(self) -> tuple[AgentSession, ...]:
        return tuple(each.session for each in self._present if each.session is not None)

    async def start_session(self, wanted: Wanted) -> AgentSession:
        resident = await self._taken_in(wanted, admit=self._records.limited, awaited=True)
        try:
            await resident.life.start_settled.wait()
            if resident.session is None:
                await resident.gone.wait()
                raise resident.life.start_error
            await self._records.write(resident)
        except asyncio.CancelledError:
            resident.life.leave(EndReason.CLOSE_REQUESTED, "the caller who started it went away")
            raise
        return resident.session

    async def begin_session(self, wanted: Wanted) -> SessionInfo:
        return (await self._taken_in(wanted, admit=True, awaited=False)).info

    async def close_session(self, session_id: str, wait: bool) -> bool:
        resident = self._residents.get(session_id)
        if resident is None:
            return False
        resident.life.leave(EndReason.CLOSE_REQUESTED)
        if wait:
            await resident.gone.wait()
        return True

    def get_session(self, session_id: str) -> AgentSession | None:
        resident = self._residents.get(session_id)
        return resident.session if resident is not None else None

    # --- sessions of any process on the same registry ---

    async def request_close(self, call_id: str, session_id: str) -> bool:
        resident = self._residents.get(session_id)
        if resident is not None and resident.info.call_id == call_id:
            return await self.close_session(session_id, wait=False)
        return await self._registry.request_close(call_id, session_id)

    async def info(self, call_id: str, session_id: str) -> SessionInfo | None:
        resident = self._residents.get(session_id)
        if resident is None:
            return await self._registry.get(call_id, session_id)
        if resident.info.call_id != call_id:
            return None
        metrics = resident.metrics()
        if metrics is None:
            return resident.info
        return replace(resident.info, metrics=metrics, metrics_updated_at=self._now())

    async def answer(self, call_id: str, session_id: str, wait_seconds: float) -> str | None:
        resident = self._residents.get(session_id)
        if resident is None:
            return await polled(lambda: self._registry.get(call_id, session_id), self._clock, wait_seconds)
        if resident.info.call_id != call_id:
            return None
        await settled(resident.answer_settled, self._clock, wait_seconds)
        return None if resident.over else resident.info.answer

    async def list(self, call_id: str | None = None) -> list[SessionInfo]:
        found = await self._registry.list(call_id)
        found.reverse()
        return found

    # --- the life of one session ---

    async def _taken_in(self, wanted: Wanted, *, admit: bool, awaited: bool) -> Resident:
        """A session with a place, whose life has begun."""
        stops = self._stops
        self._check_open(stops)
        now = self._now()
        info = SessionInfo(
            session_id=str(uuid.uuid4()),
            call_id=wanted.call_id,
            node_id=self._registry.node_id,
            started_at=now,
            metrics_updated_at=now,
            metrics=_NO_FIGURES,
            call_type=wanted.call_type,
            phase=Phase.SCHEDULED,
            created_at=now,
        )
        if admit:
            await self._records.admit(info)
            try:
                self._check_open(stops)
            except StartAbandoned:
                await self._records.forget(info)
                raise

        assignment = self._assignment(info, wanted)
        resident = Resident(info, admitted=admit, awaited=awaited)
        resident.life = self._lives.life(assignment, partial(self._hear, resident))
        self._residents[info.session_id] = resident
        self._present[resident] = None
        resident.life.begin()
        return resident

    def _check_open(self, stops: int) -> None:
        """A start that waits for its place while the launcher stops must not begin afterwards."""
        if self._stopping or self._draining or self._stops != stops:
            raise StartAbandoned("the launcher is being stopped")

    def _assignment(self, info: SessionInfo, wanted: Wanted) -> Assignment:
        return Assignment(
            info.session_id,
            info.call_id,
            info.call_type,
            wanted.parameters,
            self._time_limits.with_session(wanted.limits),
            wanted.video_track_override_path,
            tells_joined=False,
        )

    def _hear(self, resident: Resident, notice: Notice) -> None:
        match notice:
            case Built():
                self._built(resident, notice)
            case Answered():
                resident.take_answer(notice)
                self._records.write_soon(resident)
            case LeavingSlowly():
                resident.leave_slowly()
                self._records.write_soon(resident)
            case Ended():
                self._ended(resident, notice)
            case Joined() | Checkpointed():
                pass  # a session here has no attempt after this one
            case _:
                assert_never(notice)

    def _built(self, resident: Resident, notice: Built) -> None:
        session = resident.build(notice)
        self._residents[session.id] = resident
        if (ids := session_context.current()) is not None:  # an agent may keep an id of its own
            ids.session = session.id
        logger.info("session %s started on call %s", session.id, session.call_id)
        if not resident.awaited:
            self._records.write_soon(resident)

    def _ended(self, resident: Resident, notice: Ended) -> None:
        resident.end(notice)
        for name in resident.ids:
            if self._residents.get(name) is resident:
                del self._residents[name]
        for task in resident.life.lingering:
            self._lingering.add(task)
            task.add_done_callback(self._lingering.discard)
        logger.info("session %s ended: %s %s", resident.info.session_id, notice.reason, notice.message)
        self._records.finish_soon(resident, self._gone)

    def _gone(self, resident: Resident) -> None:
        """Its agent has left, and its place is free."""
        del self._present[resident]
        resident.gone.set()

    # --- maintenance ---

    def _wake(self, call_id: str, session_id: str) -> None:
        """Another process asks one of ours to leave."""
        resident = self._residents.get(session_id)
        if resident is not None and resident.info.call_id == call_id:
            resident.life.leave(EndReason.CLOSE_REQUESTED)

    async def _maintain(self) -> None:
        while True:
            try:
                await self._registry.refresh(await self._figures())
                calls = {session.id: session.call_id for session in self.sessions}
                for session_id in await self._registry.get_close_requests(calls):
                    await self.close_session(session_id, wait=False)
            except Exception as error:
                logger.error("maintenance: the registry failed: %s", described(error))
            await self._clock.sleep(self._interval_seconds)

    async def _figures(self) -> dict[str, AgentMetrics]:
        figures = {}
        for number, resident in enumerate(list(self._present)):
            if number % _METRICS_AT_A_TIME == _METRICS_AT_A_TIME - 1:
                await asyncio.sleep(0)
            metrics = resident.metrics()
            if metrics is not None and not resident.over:
                figures[resident.info.session_id] = metrics
        return figures

    def _now(self) -> float:
        return self._clock.wall().timestamp()
