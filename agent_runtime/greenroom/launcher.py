"""The launcher: starts, watches and ends the sessions of one process.

It is transport-agnostic: HTTP servers, the console, runtime pods and users' own code stand on it. Where its sessions
are kept and judged is its host's matter.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Literal, Self

from greenroom.checkpoints.keeping import Keeping
from greenroom.hosts import Wanted
from greenroom.hosts.local import LocalHost
from greenroom.hosts.pod import POD_UID_VARIABLE, PodHost
from greenroom.limits import TimeLimits
from greenroom.lives import InProcess
from greenroom.recipe import Recipe
from greenroom.registry import SessionRegistry
from greenroom_core.clock import SystemClock
from greenroom_core.model.session import SessionLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from greenroom.checkpoints import CheckpointStore
    from greenroom.hosted import HostedAgent
    from greenroom.hosts import SessionHost
    from greenroom.lives import Lives
    from greenroom.registry import SessionInfo
    from greenroom.session import AgentSession
    from greenroom_core.clock import Clock


class AgentLauncher:
    """Runs agents made by `create_agent` (sync or async) in calls that `join_call(agent, call_type, call_id)` joins.

    Limits None are none; `agent_idle_timeout` 0 is none. `maintenance_interval` is how often, in seconds, agents are
    asked at least and figures go to the registry. Raises :class:`ValueError` for a limit that cannot hold.

    In a runtime pod of a cluster, unless `registry` is given, every session is an AgentSession: see
    :mod:`greenroom.hosts.pod`. The limits on how many there may be are the AgentRuntime's there.

    `checkpoints` keeps, at most once in 5 s each, what the agents of a cluster's sessions want kept should their pod be
    lost: see :mod:`greenroom.checkpoints`.

    `isolation="process"` gives each session a process of its own; it may allocate `memory_limit_bytes` (None: any
    amount) and is ended when its event loop stands still for `blocked_loop_seconds`.
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
        isolation: Literal["none", "process"] = "none",
        memory_limit_bytes: int | None = None,
        blocked_loop_seconds: float = 30.0,
        checkpoints: CheckpointStore | None = None,
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
        _positive_or_none("memory_limit_bytes", memory_limit_bytes)
        _positive("blocked_loop_seconds", blocked_loop_seconds)
        if isolation not in ("none", "process"):
            raise ValueError(f"isolation must be 'none' or 'process', not {isolation!r}")
        self.recipe = Recipe(create_agent, join_call)
        self.max_concurrent_sessions = max_concurrent_sessions
        self.max_sessions_per_call = max_sessions_per_call
        self.time_limits = TimeLimits(
            start_timeout_seconds=start_timeout_seconds,
            idle_timeout_seconds=agent_idle_timeout,
            max_duration_seconds=max_session_duration_seconds,
            leave_timeout_seconds=leave_timeout_seconds,
            check_interval_seconds=maintenance_interval,
        )
        self._clock = clock or SystemClock()
        self.checkpoints: Keeping | None = None
        if checkpoints is not None:
            self.keep_checkpoints(checkpoints)
        self._registry = registry or SessionRegistry(clock=self._clock)
        self.lives: Lives = InProcess(self.recipe, self._clock)
        if isolation == "process":
            from greenroom.isolation import ProcessStock, RecipeSource

            self.lives = ProcessStock(
                RecipeSource(create_agent, join_call),
                self._clock,
                memory_limit_bytes=memory_limit_bytes,
                blocked_loop_seconds=blocked_loop_seconds,
            )
        self._host: SessionHost
        if registry is None and os.environ.get(POD_UID_VARIABLE):
            self._host = PodHost.from_environment(self)
        else:
            self._host = LocalHost(
                self.lives,
                self._registry,
                self._clock,
                time_limits=self.time_limits,
                max_concurrent_sessions=max_concurrent_sessions,
                max_sessions_per_call=max_sessions_per_call,
                maintenance_interval_seconds=maintenance_interval,
            )
        self._warming = asyncio.Lock()
        self._warmed_up = False
        self._running = False

    @property
    def warmed_up(self) -> bool:
        return self._warmed_up

    @property
    def running(self) -> bool:
        return self._running or self._host.running

    @property
    def ready(self) -> bool:
        """Warmed up, running, and not on its way out."""
        return self._warmed_up and self.running and not self._host.draining

    @property
    def draining(self) -> bool:
        return self._host.draining

    @property
    def full(self) -> bool:
        """`max_concurrent_sessions` is reached in this process."""
        return self._host.full

    @property
    def registry(self) -> SessionRegistry:
        return self._registry

    @property
    def host(self) -> SessionHost:
        return self._host

    @host.setter
    def host(self, host: SessionHost) -> None:
        """For the program that runs this launcher, before anything has been started."""
        self._host = host

    def keep_checkpoints(self, store: CheckpointStore) -> None:
        """As `checkpoints` of the constructor, for the program that runs this launcher, before anything is started."""
        self.checkpoints = Keeping(store, self._clock)

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
            if not self._host.warms_up:
                await self.warmup()
            await self._host.start()
        except BaseException:
            self._running = False
            raise

    async def stop(self) -> None:
        """End every session, those that are starting or leaving too, and wait until all agents are closed."""
        self._running = False
        await self._host.stop()

    async def drain(self, timeout: float | None = None) -> bool:
        """Take no new session; those here may finish for `timeout` seconds (None: as long as they take), then they are
        closed. Whether all of them finished by themselves. `stop()` comes after it."""
        return await self._host.drain(timeout)

    async def warmup(self) -> None:
        """Load what agents share, by means of an agent that is thrown away. Once; a second caller waits for it."""
        async with self._warming:
            if not self._warmed_up:
                await self.lives.warm_up()
                self._warmed_up = True

    async def launch(self, **kwargs: Any) -> HostedAgent:
        """A warmed-up agent outside any session; the caller closes it. `kwargs` go to `create_agent`."""
        return await self.recipe.build(kwargs)

    # --- sessions of this process ---

    @property
    def sessions(self) -> tuple[AgentSession, ...]:
        """Those whose agents are built and have not left."""
        return self._host.sessions

    async def start_session(
        self,
        call_id: str,
        call_type: str = "default",
        video_track_override_path: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        limits: SessionLimits | None = None,
    ) -> AgentSession:
        """Returns when the agent has been built and is about to join.

        `parameters` go to `create_agent` and `join_call` as far as their signatures take them; `limits` go before the
        launcher's own time limits. Raises MaxConcurrentSessionsExceeded and MaxSessionsPerCallExceeded before
        anything is built, in a cluster also NoFreeSlot; else what `create_agent` raises, StartTimedOut,
        InvalidParameters, RegistryUnavailable, or StartAbandoned if the session was closed, or the launcher stopped,
        meanwhile.
        """
        return await self._host.start_session(
            Wanted(call_id, call_type, parameters or {}, limits or SessionLimits(), video_track_override_path)
        )

    async def begin_session(
        self,
        call_id: str,
        call_type: str = "default",
        *,
        parameters: Mapping[str, Any] | None = None,
        limits: SessionLimits | None = None,
    ) -> SessionInfo:
        """The same, without waiting for the agent: returns when the session has its place, raises where it has none."""
        return await self._host.begin_session(Wanted(call_id, call_type, parameters or {}, limits or SessionLimits()))

    async def close_session(self, session_id: str, wait: bool = False) -> bool:
        """Ask a session of this process to leave; with `wait`, until it has. False if there is none."""
        return await self._host.close_session(session_id, wait)

    def get_session(self, session_id: str) -> AgentSession | None:
        """A session of this process, until its agent has left."""
        return self._host.get_session(session_id)

    # --- sessions of any process on the same registry ---

    async def request_close_session(self, call_id: str, session_id: str) -> bool:
        """Ask for a session's end, wherever it runs; in a cluster a pod ends its own sessions only, and this raises
        HeldElsewhere for another pod's. False if none lives by that id on that call."""
        return await self._host.request_close(call_id, session_id)

    async def get_session_info(self, call_id: str, session_id: str) -> SessionInfo | None:
        """A living session, wherever it runs; None for one that is unknown, another call's, or has ended."""
        return await self._host.info(call_id, session_id)

    async def get_session_answer(self, call_id: str, session_id: str, wait_seconds: float = 0.0) -> str | None:
        """What the edge of a living session, wherever it runs, answers to the offer among its parameters: as soon as
        it is there, "" when that is not within `wait_seconds`; None for one that is unknown, another call's, or has
        ended, at once when it ends meanwhile."""
        return await self._host.answer(call_id, session_id, wait_seconds)

    async def list_sessions(self, call_id: str | None = None) -> list[SessionInfo]:
        """Sessions of one call or of all, newest first, wherever they run; ended ones too while they are kept."""
        return await self._host.list(call_id)


def _positive_or_none(name: str, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{name} must be > 0 or None")


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be > 0")
