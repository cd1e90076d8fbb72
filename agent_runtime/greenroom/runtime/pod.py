"""The runtime pod: takes up the sessions bound to it, runs them side by side, and leaves in good order.

Code in this process may start sessions of its own, too: they are made as objects, and come back bound like all others.

It has no HTTP server and no signals: `main` adds them. Everything about a single session is `Attempt`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.errors import InvalidParameters, StartAbandoned
from greenroom.redaction import described, traced
from greenroom.runtime.admission import Admission, PodState, admission
from greenroom.runtime.attempt import Attempt
from greenroom.runtime.fed import keep_fed
from greenroom.runtime.figures import RuntimeFigures
from greenroom.runtime.fleet import Fleet, tell_limits_without_effect
from greenroom.runtime.starts import CALLER_GONE, OwnStarts
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS, encode
from greenroom_core.model.reasons import EndReason
from greenroom_core.session_context import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.hosts import Wanted
    from greenroom.launcher import AgentLauncher
    from greenroom.runtime.settings import RuntimeSettings
    from greenroom_core.model.session import AgentSession
    from greenroom_core.world import World

logger = logging.getLogger("greenroom.runtime.pod")

GRACE_AFTER_DRAIN_SECONDS = 30.0
ORPHANED = "the process that ran it is gone"
_LEAVE_WHEN_DRAINED_SECONDS = 10.0
_EXIT_MARGIN_SECONDS = 2.0


class RuntimePod:
    """Await :meth:`run`; it returns after :meth:`drain`, when the last session has ended and been reported."""

    def __init__(self, world: World, launcher: AgentLauncher, settings: RuntimeSettings) -> None:
        self.figures = RuntimeFigures()
        self.settings = settings
        self.client = KubeClient(world, on_answer=self.figures.answered)
        self.finished = True
        self._world = world
        self._clock = world.clock
        self._launcher = launcher
        selection = Selection(settings.namespace, fields=f"status.podName={settings.pod_name}")
        self._feed: Feed[AgentSession] = Feed(self.client, SESSIONS, selection, self._on_change)
        self._fleet = Fleet(self.client, settings.namespace, settings.runtime)
        self._starts = OwnStarts(self.client, settings, self._fleet, self._feed.learn, self._spawn, self._settled)
        self._taken: dict[str, int] = {}
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._carriers: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._holding: set[tuple[str, int]] = set()
        self._lingering: set[asyncio.Task[Any]] = set()
        self._warm = False
        self._running = False
        self._draining = asyncio.Event()
        self._leave_by = math.inf
        self._moved = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self.figures.watch(
            sessions=lambda: len(self._holding),
            slots=lambda: settings.slots,
            silence_seconds=lambda: self._feed.silence_seconds,
            ready=lambda: self.ready,
        )

    @property
    def ready(self) -> bool:
        """It takes sessions: warmed up, its feed has been synced, and it is not leaving."""
        return self._warm and self._feed.synced.is_set() and not self._draining.is_set()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def sessions(self) -> int:
        """How many sessions hold a slot."""
        return len(self._holding)

    @property
    def lingering(self) -> int:
        """How many tasks of agents ignore their cancellation; the process cannot end in the ordinary way then."""
        return len(self._lingering)

    @property
    def full(self) -> bool:
        return len(self._holding) >= self.settings.slots

    def attempt(self, name: str) -> Attempt | None:
        """What holds a slot here under that name."""
        return next((item for item in self._attempts.values() if item.name == name and item.in_call), None)

    @property
    def attempts(self) -> list[Attempt]:
        """All that hold a slot."""
        return [item for item in self._attempts.values() if item.in_call]

    async def until_ready(self) -> None:
        """Returns when the pod takes sessions for the first time."""
        await self._feed.synced.wait()
        await self._until(lambda: self._warm)

    async def place(self, wanted: Wanted) -> Attempt:
        """A session that code of this process asks for; returns when the operator has bound it here and its agent is
        being built. `greenroom.errors` has what it raises."""
        if not self._running:
            raise RuntimeError("the pod does not run: start the launcher first")
        if self.draining:
            raise StartAbandoned("the pod is leaving")
        self._launcher.recipe.arguments(wanted.parameters)
        try:
            encode(wanted.parameters)
        except TypeError as error:
            raise InvalidParameters(f"parameters become part of an object, so they must be JSON: {error}") from error
        return await self._starts.place(wanted)

    def withdraw(self, name: str) -> bool:
        """Ends an own start that has not been taken up. False if there is none."""
        start = self._starts.get(name)
        if start is not None:
            start.withdraw("the session was closed before its agent was built")
        return start is not None

    async def empty(self) -> None:
        """Returns when no session holds a slot."""
        await self._until(lambda: not self._holding)

    async def gone(self, attempt: Attempt) -> None:
        """Returns when its agent has left."""
        await self._until(lambda: not attempt.in_call)

    def drain(self, timeout_seconds: float | None = None) -> None:
        """Leave: no new sessions, those here finish within the time (None: the drain timeout). Asking again can only
        shorten it. `finished` tells whether all could."""
        seconds = self.settings.drain_timeout_seconds if timeout_seconds is None else timeout_seconds
        self._leave_by = min(self._leave_by, self._clock.boot() + seconds)
        if not self._draining.is_set():
            logger.info("draining: %d sessions may finish", len(self._holding))
            self._draining.set()
        self._moved.set()

    async def run(self) -> None:
        """The pod's whole life."""
        try:
            async with self._tasks:
                self._running = True
                background = [
                    self._spawn(keep_fed(self._feed, self._clock), "feed"),
                    self._spawn(self._warm_up(), "warm-up"),
                    self._spawn(self._tell_limits(), "look at the limits"),
                ]
                await self._draining.wait()
                await self._drain()
                self._starts.end()
                for task in background:
                    task.cancel()
        finally:
            self._running = False
            self._starts.end()

    # --- background ---

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Work beside the calls; should it fail, they must not."""
        return self._tasks.create_task(self._guarded(work, name), name=name)

    async def _guarded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:
            logger.exception("%s failed", name)

    async def _tell_limits(self) -> None:
        launcher = self._launcher
        await tell_limits_without_effect(
            self._fleet,
            concurrent_sessions=launcher.max_concurrent_sessions,
            per_call=launcher.max_sessions_per_call,
        )

    async def _warm_up(self) -> None:
        """Warm-up makes starts fast; one that fails is each session's own to report, so the pod serves all the same."""
        warming = asyncio.create_task(self._launcher.warmup(), name="launcher-warm-up")
        try:
            async with self._clock.timeout(self._launcher.time_limits.start_timeout_seconds):
                await asyncio.wait((warming,))
        except TimeoutError:
            logger.error("warm-up takes too long, starts will be slow or fail")
        finally:
            if not warming.done():
                warming.cancel()
                self._linger(warming)
        if warming.done() and (error := warming.exception()) is not None:
            logger.error("warm-up failed, starts will be slow or fail: %s\n%s", described(error), traced(error))
        self._warm = True
        self._moved.set()
        logger.info("pod %s takes up to %d sessions", self.settings.pod_name, self.settings.slots)
        self._look_at_all()

    # --- sessions come and go ---

    def _on_change(self, change: Change[AgentSession]) -> None:
        known = change.new or change.old
        assert known is not None
        for attempt in [item for item in self._attempts.values() if item.uid == known.metadata.uid]:
            attempt.observe(change.new)
        if change.new is not None:
            self._look_at(change.new)
        else:
            self._forget_if_gone(known.metadata.uid)

    def _forget_if_gone(self, uid: str) -> None:
        """What was taken up need not be remembered once the API server no longer shows it to this pod."""
        if self._feed.store.get(uid) is None and all(other != uid for other, _ in self._attempts):
            self._taken.pop(uid, None)

    def _look_at_all(self) -> None:
        for session in list(self._feed.store):
            self._look_at(session)

    def _look_at(self, session: AgentSession) -> None:
        settings = self.settings
        state = PodState(
            uid=settings.pod_uid,
            free_slots=settings.slots - len(self._holding),
            warm=self._warm,
            draining=self._draining.is_set(),
        )
        name = session.metadata.name
        wanted = not self._starts.unwanted(name)
        decision = admission(session, self._taken.get(session.metadata.uid, -1), state, wanted=wanted)
        match decision:
            case Admission.IGNORE | Admission.WAIT:
                return
            case Admission.START:
                self._take_up(session, self._start)
            case Admission.GIVE_BACK:
                self.figures.returned()
                why = "the pod is leaving" if state.draining else f"all {settings.slots} slots of the pod are taken"
                self._take_up(session, lambda attempt: attempt.give_back(why))
            case Admission.END:
                reason = EndReason.DELETED if session.deleting else EndReason.CLOSE_REQUESTED
                self._take_up(session, lambda attempt: attempt.write_off(reason, "" if wanted else CALLER_GONE))
                if (start := self._starts.get(name)) is not None:
                    start.failed(StartAbandoned(f"the session ended before its agent was built: {reason}"))
            case Admission.ORPHANED:
                named = {"session": name, "call": session.spec.call_id}
                logger.error("session %s is %s here, but not in this process", name, session.status.phase, extra=named)
                message = "the process that ran it is gone"
                self._take_up(session, lambda attempt: attempt.write_off(EndReason.AGENT_ERROR, message))
            case _:
                assert_never(decision)

    def _take_up(self, session: AgentSession, work: Callable[[Attempt], Coroutine[Any, Any, None]]) -> None:
        attempt = Attempt(session, self.client, self._feed.learn, self._on_ended)
        self._taken[attempt.uid] = attempt.number
        self._attempts[attempt.key] = attempt
        carrier = self._tasks.create_task(
            self._carried(attempt, work(attempt)),
            name=f"attempt-{attempt.name}",
            context=context_of(attempt.name, attempt.call_id),
        )
        self._carriers[attempt.key] = carrier

    def _start(self, attempt: Attempt) -> Coroutine[Any, Any, None]:
        self._holding.add(attempt.key)
        self.figures.started()
        start = self._starts.get(attempt.name)
        attempt.begin(self._launcher, start.wanted.video_track_override_path if start is not None else None)
        if start is not None:
            start.taken_up(attempt)
        return attempt.live()

    async def _carried(self, attempt: Attempt, work: Coroutine[Any, Any, None]) -> None:
        """A failure of ours in one session is no other's; this one is ended, for nobody else would."""
        try:
            await work
        except Exception as error:
            logger.exception("session %s: the runtime failed", attempt.name)
            self._free(attempt)
            await self._written_off(attempt, error)
        finally:
            self._free(attempt)
            del self._attempts[attempt.key], self._carriers[attempt.key]
            self._forget_if_gone(attempt.uid)

    async def _written_off(self, attempt: Attempt, error: Exception) -> None:
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        try:
            await attempt.write_off(EndReason.AGENT_ERROR, f"the runtime failed: {described(cause)}")
        except Exception:
            logger.exception("session %s: its end could not be written", attempt.name)

    def _on_ended(self, attempt: Attempt, reason: str) -> None:
        self.figures.ended(reason)
        self._free(attempt)

    def _free(self, attempt: Attempt) -> None:
        self._holding.discard(attempt.key)
        for task in attempt.life.lingering if attempt.life is not None else ():
            self._linger(task)
        self._moved.set()

    def _linger(self, task: asyncio.Task[Any]) -> None:
        if not task.done():
            self._lingering.add(task)
            task.add_done_callback(self._lingering.discard)

    # --- the way out ---

    async def _drain(self) -> None:
        """Calls first, then what is still to be written, each until its deadline."""
        self._starts.leave()
        self._look_at_all()
        if not await self._until(lambda: not self._holding, lambda: self._leave_by):
            self.finished = False
            for attempt in self._attempts.values():
                attempt.leave(EndReason.DRAINED, timeout_seconds=_LEAVE_WHEN_DRAINED_SECONDS)
        exit_after = GRACE_AFTER_DRAIN_SECONDS - _EXIT_MARGIN_SECONDS
        if not await self._until(
            lambda: not self._attempts and not self._starts.busy, lambda: self._leave_by + exit_after
        ):
            logger.error("the grace period is over: %d sessions were not reported", len(self._attempts))
            for carrier in self._carriers.values():
                carrier.cancel()

    async def _until(self, done: Callable[[], bool], deadline: Callable[[], float] = lambda: math.inf) -> bool:
        """Whether `done` came true before `deadline`, a time of the boot clock that may move."""
        while not done():
            remaining = deadline() - self._clock.boot()
            if remaining <= 0:
                return False
            self._moved.clear()
            with suppress(TimeoutError):
                async with self._clock.timeout(remaining if remaining < math.inf else None):
                    await self._moved.wait()
        return True

    def _settled(self) -> None:
        self._moved.set()
