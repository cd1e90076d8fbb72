"""The runtime pod: takes up the sessions bound to it, runs them side by side, and leaves in good order.

Code in this process may start sessions of its own, too: they are made as objects, and come back bound like all others.

It has no HTTP server and no signals: `program` and `main` add them. What becomes of a single session is `Attempt`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.errors import StartAbandoned
from greenroom.redaction import described, traced
from greenroom.runtime import own
from greenroom.runtime.admission import Admission, PodState, admission
from greenroom.runtime.fed import keep_fed
from greenroom.runtime.figures import RuntimeFigures
from greenroom.runtime.fleet import tell_limits_without_effect
from greenroom.runtime.moves import Moves
from greenroom.runtime.residents import Residents
from greenroom.runtime.starts import CALLER_GONE, OwnStarts
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from greenroom.hosts import Wanted
    from greenroom.launcher import AgentLauncher
    from greenroom.runtime.attempt import Attempt
    from greenroom.runtime.settings import RuntimeSettings
    from greenroom_core.model.session import AgentSession
    from greenroom_core.world import World

logger = logging.getLogger("greenroom.runtime.pod")

GRACE_AFTER_DRAIN_SECONDS = 30.0
_ORPHANED = "the process that ran it is gone"
_LEAVE_WHEN_DRAINED_SECONDS = 10.0
_EXIT_MARGIN_SECONDS = 2.0


class RuntimePod:
    """Await :meth:`run`; it returns after :meth:`drain`, when the last session has ended and been reported.

    `finished` tells whether all sessions could end by themselves.
    """

    def __init__(self, world: World, launcher: AgentLauncher, settings: RuntimeSettings) -> None:
        self.figures = RuntimeFigures()
        self.settings = settings
        self.client = KubeClient(world, on_answer=self.figures.answered)
        self.finished = True
        self._clock = world.clock
        self._launcher = launcher
        self._tasks = asyncio.TaskGroup()
        self._moves = Moves(world.clock)
        selection = Selection(settings.namespace, fields=f"status.podName={settings.pod_name}")
        self._feed: Feed[AgentSession] = Feed(self.client, SESSIONS, selection, self._on_change)
        self._residents = Residents(self.client, self._feed, self.figures, self._moves, self._tasks)
        self._starts = OwnStarts(self.client, settings, self._feed.learn, self._spawn, self._moves.tell)
        self._warm = False
        self._running = False
        self._draining = asyncio.Event()
        self._leave_by = math.inf
        self.figures.watch(
            sessions=lambda: self.sessions,
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
        return self._residents.slots_held

    @property
    def full(self) -> bool:
        return self.sessions >= self.settings.slots

    @property
    def lingering(self) -> int:
        """How many tasks of agents ignore their cancellation; the process cannot end in the ordinary way then."""
        return self._residents.lingering

    @property
    def attempts(self) -> list[Attempt]:
        """All that hold a slot."""
        return self._residents.in_call()

    def attempt(self, name: str) -> Attempt | None:
        """What holds a slot here under that name."""
        return self._residents.named(name)

    # --- for code of this process ---

    async def until_ready(self) -> None:
        """Returns when the pod takes sessions for the first time."""
        await self._feed.synced.wait()
        await self._moves.until(lambda: self._warm)

    async def until_gone(self, attempt: Attempt) -> None:
        """Returns when its agent has left."""
        await self._moves.until(lambda: not attempt.in_call)

    async def until_empty(self) -> None:
        """Returns when no session holds a slot."""
        await self._moves.until(lambda: not self.sessions)

    async def place(self, wanted: Wanted) -> Attempt:
        """A session that is asked for here; returns when the operator has bound it to this pod and its agent is being
        built. `greenroom.errors` has what it raises."""
        if not self._running:
            raise RuntimeError("the pod does not run: start the launcher first")
        if self.draining:
            raise StartAbandoned("the pod is leaving")
        own.check(wanted, self._launcher.recipe)
        return await self._starts.place(wanted)

    def withdraw(self, name: str, call_id: str | None = None) -> bool:
        """Ends an own start, of that call or of any, that has not been taken up. False if there is none."""
        return self._starts.withdraw(name, call_id)

    def drain(self, timeout_seconds: float | None = None) -> None:
        """Leave: no new sessions, those here finish within the time (None: the drain timeout). Asking again can only
        shorten it."""
        seconds = self.settings.drain_timeout_seconds if timeout_seconds is None else timeout_seconds
        leave_by = self._clock.boot() + seconds
        if leave_by < self._leave_by:
            self._leave_by = leave_by
            if seconds > 0:
                self._residents.host_leaves(seconds)
        if not self._draining.is_set():
            logger.info("draining: %d sessions may finish", self.sessions)
            self._draining.set()
        self._moves.tell()

    # --- the pod's life ---

    async def run(self) -> None:
        """The pod's whole life."""
        try:
            async with self._tasks:
                self._running = True
                background = [
                    self._spawn(keep_fed(self._feed, self._clock), "feed"),
                    self._spawn(self._warm_up(), "warm-up"),
                ]
                tell_limits_without_effect(
                    self.settings,
                    concurrent_sessions=self._launcher.max_concurrent_sessions,
                    per_call=self._launcher.max_sessions_per_call,
                )
                await self._draining.wait()
                await self._drain()
                self._starts.end()
                for task in background:
                    task.cancel()
        finally:
            self._running = False
            self._starts.end()
            if self._launcher.checkpoints is not None:
                await self._launcher.checkpoints.close()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Work beside the calls; should it fail, they must not."""
        return self._tasks.create_task(_guarded(work, name), name=name)

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
                self._residents.linger(warming)
        if warming.done() and (error := warming.exception()) is not None:
            logger.error("warm-up failed, starts will be slow or fail: %s\n%s", described(error), traced(error))
        self._warm = True
        self._moves.tell()
        logger.info("pod %s takes up to %d sessions", self.settings.pod_name, self.settings.slots)
        self._look_at_all()

    async def _drain(self) -> None:
        """Calls first, then what is still to be written, each until its deadline."""
        self._starts.leave()
        self._look_at_all()
        if not await self._moves.until(lambda: not self.sessions, lambda: self._leave_by):
            self.finished = False
            self._residents.leave(EndReason.DRAINED, _LEAVE_WHEN_DRAINED_SECONDS)
        exit_after = GRACE_AFTER_DRAIN_SECONDS - _EXIT_MARGIN_SECONDS
        residents, starts = self._residents, self._starts
        await self._moves.until(
            lambda: not residents.unreported and not starts.busy, lambda: self._leave_by + exit_after
        )
        if residents.unreported:
            logger.error("the grace period is over: %d sessions were not reported", residents.unreported)
            residents.give_up()

    # --- sessions come and go ---

    def _on_change(self, change: Change[AgentSession]) -> None:
        known = change.new or change.old
        assert known is not None
        self._residents.observe(known.metadata.uid, change.new)
        if change.new is not None:
            self._look_at(change.new)

    def _look_at_all(self) -> None:
        for session in list(self._feed.store):
            self._look_at(session)

    def _look_at(self, session: AgentSession) -> None:
        state = PodState(
            uid=self.settings.pod_uid,
            free_slots=self.settings.slots - self.sessions,
            warm=self._warm,
            draining=self.draining,
        )
        wanted = not self._starts.unwanted(session.metadata.name)
        taken_attempt = self._residents.taken_attempt(session.metadata.uid)
        match admission(session, taken_attempt, state, wanted=wanted):
            case Admission.IGNORE | Admission.WAIT:
                return
            case Admission.START:
                self._start(session)
            case Admission.GIVE_BACK:
                self._give_back(session)
            case Admission.END:
                self._end(session, "" if wanted else CALLER_GONE)
            case Admission.ORPHANED:
                self._write_off(session)
            case other:
                assert_never(other)

    def _start(self, session: AgentSession) -> None:
        start = self._starts.get(session.metadata.name)
        path = start.wanted.video_track_override_path if start is not None else None
        attempt = self._residents.start(session, self._launcher, path)
        if start is not None:
            start.taken_up(attempt)

    def _give_back(self, session: AgentSession) -> None:
        self.figures.returned()
        why = "the pod is leaving" if self.draining else f"all {self.settings.slots} slots of the pod are taken"
        self._residents.deal_with(session, lambda attempt: attempt.give_back(why))

    def _end(self, session: AgentSession, message: str) -> None:
        reason = EndReason.DELETED if session.deleting else EndReason.CLOSE_REQUESTED
        self._residents.deal_with(session, lambda attempt: attempt.write_off(reason, message))
        start = self._starts.get(session.metadata.name)
        if start is not None:
            start.failed(StartAbandoned(f"the session ended before its agent was built: {reason}"))

    def _write_off(self, session: AgentSession) -> None:
        name = session.metadata.name
        named = {"session": name, "call": session.spec.call_id}
        logger.error("session %s is %s here, but not in this process", name, session.status.phase, extra=named)
        self._residents.deal_with(session, lambda attempt: attempt.write_off(EndReason.AGENT_ERROR, _ORPHANED))


async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:
        logger.exception("%s failed", name)
