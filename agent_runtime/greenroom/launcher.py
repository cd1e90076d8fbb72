"""The launcher: starts, watches and ends the sessions of one process.

It is transport-agnostic: HTTP servers, the console and users' own code stand on it. It knows nothing of Kubernetes;
a runtime pod takes only its recipe and its limits.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from greenroom import hosted
from greenroom.errors import StartAbandoned
from greenroom.life import SessionLife
from greenroom.limits import TimeLimits
from greenroom.notices import Assignment, Built, Ended, Notice
from greenroom.places import Places
from greenroom.recipe import Recipe
from greenroom.redaction import described
from greenroom.registry import SessionRegistry
from greenroom.session import AgentSession
from greenroom_core.clock import SystemClock
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from greenroom.hosted import HostedAgent
    from greenroom.registry import SessionInfo
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.launcher")


class AgentLauncher:
    """Runs agents made by `create_agent` (sync or async) in calls that `join_call(agent, call_type, call_id)` joins.

    Limits None are none; `agent_idle_timeout` 0 is none. `maintenance_interval` is how often, in seconds, agents are
    asked at least and figures go to the registry. Raises :class:`ValueError` for a limit that cannot hold.
    """

    def __init__(
        self,
        create_agent: Callable[..., Any],
        join_call: Callable[..., Awaitable[Any]],
        agent_idle_timeout: float = 60.0,
        max_concurrent_sessions: int | None = None,
        max_sessions_per_call: int | None = None,
        max_session_duration_seconds: float | None = None,
        maintenance_interval: float = 5.0,
        registry: SessionRegistry | None = None,
        *,
        start_timeout_seconds: float = 60.0,
        leave_timeout_seconds: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        _positive_or_none("max_concurrent_sessions", max_concurrent_sessions)
        _positive_or_none("max_sessions_per_call", max_sessions_per_call)
        _positive_or_none("max_session_duration_seconds", max_session_duration_seconds)
        if agent_idle_timeout < 0:
            raise ValueError("agent_idle_timeout must be >= 0")
        _positive("maintenance_interval", maintenance_interval)
        _positive("start_timeout_seconds", start_timeout_seconds)
        _positive("leave_timeout_seconds", leave_timeout_seconds)
        self.recipe = Recipe(create_agent, join_call)
        self.time_limits = TimeLimits(
            start_timeout_seconds=start_timeout_seconds,
            idle_timeout_seconds=agent_idle_timeout,
            max_duration_seconds=max_session_duration_seconds,
            leave_timeout_seconds=leave_timeout_seconds,
            check_interval_seconds=maintenance_interval,
        )
        self._places = Places(max_concurrent_sessions, max_sessions_per_call)
        self._maintenance_interval = maintenance_interval
        self._clock = clock or SystemClock()
        self._registry = registry or SessionRegistry(clock=self._clock)
        self._warming = asyncio.Lock()
        self._warmed_up = False
        self._running = False
        self._stopping = False
        self._maintenance: asyncio.Task[None] | None = None
        self._lives: dict[asyncio.Task[None], SessionLife] = {}
        self._sessions: dict[str, tuple[AgentSession, SessionLife]] = {}
        self._admitted: dict[SessionLife, AgentSession] = {}
        self._lingering: set[asyncio.Task[Any]] = set()

    @property
    def warmed_up(self) -> bool:
        return self._warmed_up

    @property
    def running(self) -> bool:
        return self._running

    @property
    def ready(self) -> bool:
        return self._warmed_up and self._running

    @property
    def registry(self) -> SessionRegistry:
        return self._registry

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- start and stop ---

    async def start(self) -> None:
        """Warm up, then watch over the sessions. RuntimeError on a second start; one that failed may be repeated."""
        if self._running:
            raise RuntimeError("AgentLauncher is already running")
        self._running = True
        try:
            await self.warmup()
            await self._registry.start()
        except BaseException:
            self._running = False
            raise
        self._maintenance = asyncio.create_task(self._maintain(), name="launcher-maintenance")

    async def stop(self) -> None:
        """End every session, those that are starting or leaving too, and wait until all agents are closed."""
        self._running = False
        self._stopping = True
        for life in self._lives.values():
            life.leave(EndReason.DRAINED, "the launcher was stopped")
        while self._lives:
            await asyncio.wait(self._lives)
        self._stopping = False
        if self._maintenance is not None:
            self._maintenance.cancel()
            with suppress(asyncio.CancelledError):
                await self._maintenance
            self._maintenance = None
        await self._registry.stop()

    async def warmup(self) -> None:
        """Load what agents share, by means of an agent that is thrown away. Once; a second caller waits for it."""
        async with self._warming:
            if not self._warmed_up:
                await hosted.close(await self.launch())
                self._warmed_up = True

    async def launch(self, **kwargs: Any) -> HostedAgent:
        """A warmed-up agent outside any session; the caller closes it. `kwargs` go to `create_agent`."""
        return await self.recipe.build(kwargs)

    # --- sessions of this process ---

    async def start_session(
        self,
        call_id: str,
        call_type: str = "default",
        video_track_override_path: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> AgentSession:
        """Returns when the agent has been built and is about to join.

        Raises MaxConcurrentSessionsExceeded and MaxSessionsPerCallExceeded before anything is built, else what
        `create_agent` raises, StartTimedOut, InvalidParameters, or StartAbandoned if it was closed meanwhile.
        """
        if self._stopping:
            raise StartAbandoned("the launcher is being stopped")
        self._places.take(call_id)
        life = self._new_life(call_id, call_type, video_track_override_path, parameters or {})
        started: asyncio.Future[AgentSession] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._run(life, started), name=f"session-{life.assignment.session_id}")
        self._lives[task] = life
        task.add_done_callback(self._forget)
        try:
            return await started
        except asyncio.CancelledError:
            life.leave(EndReason.CLOSE_REQUESTED, "the caller who started it went away")
            raise

    async def close_session(self, session_id: str, wait: bool = False) -> bool:
        """Ask a session of this process to leave; with `wait`, until it has. False if there is none."""
        session, life = self._sessions.get(session_id, (None, None))
        if session is None or life is None:
            return False
        life.leave(EndReason.CLOSE_REQUESTED)
        if wait:
            await asyncio.wait([task for task, other in self._lives.items() if other is life])
        return True

    def get_session(self, session_id: str) -> AgentSession | None:
        """A session of this process, until its agent has left."""
        return self._sessions.get(session_id, (None, None))[0]

    # --- sessions of any process on the same registry ---

    async def request_close_session(self, call_id: str, session_id: str) -> None:
        """Ask for a session's end: one of this process leaves at once."""
        await self._registry.request_close(call_id, session_id)
        session = self.get_session(session_id)
        if session is not None and session.call_id == call_id:
            await self.close_session(session_id)

    async def get_session_info(self, call_id: str, session_id: str) -> SessionInfo | None:
        return await self._registry.get(call_id, session_id)

    # --- inside ---

    def _new_life(
        self, call_id: str, call_type: str, video_path: str | None, parameters: Mapping[str, Any]
    ) -> SessionLife:
        def prepare(agent: Any) -> None:
            if video_path:
                agent.set_video_track_override_path(video_path)

        def hear(notice: Notice) -> None:
            if isinstance(notice, Built):
                self._admit(life)
            elif isinstance(notice, Ended):
                self._release(life)

        assignment = Assignment(str(uuid.uuid4()), call_id, call_type, parameters, self.time_limits, prepare)
        life = SessionLife(assignment, self.recipe, self._clock, hear)
        return life

    def _admit(self, life: SessionLife) -> None:
        assert life.agent is not None
        assert life.task is not None
        assert life.built_at is not None
        session = AgentSession(life.agent, life.assignment.call_id, life.built_at, life.task)
        self._sessions[session.id] = (session, life)
        self._admitted[life] = session

    def _release(self, life: SessionLife) -> None:
        self._places.give_back(life.assignment.call_id)
        if life.agent is not None:
            self._sessions.pop(life.agent.id, None)
        for task in life.lingering:
            self._lingering.add(task)
            task.add_done_callback(self._lingering.discard)

    async def _run(self, life: SessionLife, started: asyncio.Future[AgentSession]) -> None:
        living = asyncio.create_task(life.run(), name=f"life-{life.assignment.session_id}")
        await life.start_settled.wait()
        session = self._admitted.pop(life, None)
        if session is None:
            ending = await living
            if not started.done():
                started.set_exception(life.start_error)
            logger.info("no session on call %s: %s %s", life.assignment.call_id, ending.reason, ending.message)
            return
        await self._registered(self._registry.register(session.call_id, session.id), session.id)
        logger.info("session %s started on call %s", session.id, session.call_id)
        if not started.done():
            started.set_result(session)
        ending = await living
        await self._registered(self._registry.remove(session.call_id, session.id), session.id)
        logger.info("session %s ended: %s %s", session.id, ending.reason, ending.message)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._lives[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a session's task failed", exc_info=error)

    async def _registered(self, step: Awaitable[None], session_id: str) -> None:
        """A registry that fails costs the session its record, not its call."""
        try:
            await step
        except Exception as error:
            logger.error("session %s: the registry failed: %s", session_id, described(error))

    async def _maintain(self) -> None:
        while True:
            try:
                await self._report()
                for session_id in await self._registry.get_close_requests(self._live_calls()):
                    await self.close_session(session_id)
            except Exception as error:
                logger.error("maintenance: the registry failed: %s", described(error))
            await self._clock.sleep(self._maintenance_interval)

    async def _report(self) -> None:
        for session, _ in list(self._sessions.values()):
            try:
                figures = session.agent.metrics.to_dict()
            except Exception as error:
                logger.warning("session %s: its metrics cannot be read: %s", session.id, described(error))
                continue
            await self._registry.update_metrics(session.call_id, session.id, figures)

    def _live_calls(self) -> dict[str, str]:
        return {session_id: session.call_id for session_id, (session, _) in self._sessions.items()}


def _positive_or_none(name: str, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{name} must be > 0 or None")


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be > 0")
