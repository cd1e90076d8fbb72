"""One session's life in this process: build, join, leave, end. The same for the launcher and for a runtime pod.

It tells its host what happens as typed notices, in this order: Built, Joined, LeavingSlowly, Ended; each at most once,
Ended always, the others where they happened. It knows neither limits across sessions nor the API server.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom import hosted
from greenroom.errors import InvalidParameters, StartAbandoned, StartTimedOut
from greenroom.notices import Assignment, Built, Ended, Joined, LeavingSlowly, Notice
from greenroom.redaction import bounded, described, traced
from greenroom.watch import Watch
from greenroom_core.model.reasons import EndReason
from greenroom_core.session_context import session_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from greenroom.hosted import HostedAgent
    from greenroom.recipe import Arguments, Recipe
    from greenroom_core.clock import Clock, Timer

logger = logging.getLogger("greenroom.runtime.life")

LEAVING_IS_SLOW_AFTER_SECONDS = 1.0
_CLOSE_AT_LEAST_SECONDS = 5.0
# A start timeout and this together stay below the time after which an unstarted session is given to another pod.
_GIVE_UP_BUILD_AFTER_SECONDS = 10.0


class SessionLife:
    """Create it on the running loop, then await :meth:`run` in a task of its own.

    `notify` is called without awaiting. `agent` and `task` (join_call's) are there from Built on; `error` is what the
    agent's code raised, if it did. `start_settled` is set when the agent has been built or never will be. `lingering`
    holds what would not end: the host keeps it until it does.
    """

    def __init__(self, assignment: Assignment, recipe: Recipe, clock: Clock, notify: Callable[[Notice], None]) -> None:
        self.assignment = assignment
        self.agent: HostedAgent | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.lingering: list[asyncio.Task[Any]] = []
        self.built_at: datetime | None = None
        self.ending: Ended | None = None
        self.start_settled = asyncio.Event()
        self._limits = assignment.limits
        self._hurry: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last_moment = math.inf
        self._recipe = recipe
        self._clock = clock
        self._notify = notify
        self._leave: asyncio.Future[tuple[EndReason, str]] = asyncio.get_running_loop().create_future()
        self._performing: asyncio.Task[None] | None = None
        self._start_timeout: Timer | None = None
        self._watch: Watch | None = None
        self._abandoned = False
        self._host_error: Exception | None = None

    def leave(self, reason: EndReason, message: str = "", *, timeout_seconds: float | None = None) -> None:
        """End the session now. The first reason stays; `timeout_seconds` shortens a leaving under way, too."""
        if not self._leave.done():
            self._leave.set_result((reason, message))
        if timeout_seconds is not None:
            self._last_moment = min(self._last_moment, self._clock.boot() + timeout_seconds)
            if not self._hurry.done():
                self._hurry.set_result(None)

    @property
    def leaving(self) -> bool:
        return self._leave.done()

    async def run(self) -> Ended:
        """The whole life. Raises nothing of the agent's; cancelled, it still closes the agent."""
        try:
            with session_context(self.assignment.session_id, self.assignment.call_id):
                reason, message = await self._to_the_end()
            self.ending = Ended(reason, bounded(message), self._clock.wall())
            self._notify(self.ending)
            return self.ending
        except BaseException:
            await self._cut_off()
            raise
        finally:
            self.start_settled.set()

    async def _to_the_end(self) -> tuple[EndReason, str]:
        if self._leave.done():
            return self._leave.result()
        try:
            arguments = self._recipe.arguments(self.assignment.parameters)
        except InvalidParameters as error:
            self.error = error
            return EndReason.INVALID_SPEC, str(error)
        performing = asyncio.create_task(self._perform(arguments), name=f"agent-{self.assignment.session_id}")
        self._performing = performing
        start_timeout = self._clock.later(
            self._limits.start_timeout_seconds, partial(self._overstepped, EndReason.START_TIMEOUT)
        )
        self._start_timeout = start_timeout
        try:
            await asyncio.wait((performing, self._leave), return_when=asyncio.FIRST_COMPLETED)
        finally:
            start_timeout.cancel()
            if self._watch is not None:
                await self._watch.end()
        if self._host_error is not None:
            raise self._host_error
        failure = await self._unbuilt(performing) if self.task is None else None
        if self.agent is None:
            return failure or self._leave.result()
        return await self._depart(self.agent)

    async def _perform(self, arguments: Arguments) -> None:
        """The agent's own task: it is built, and goes into the call."""
        made = self.assignment
        agent = await self._recipe.build(
            arguments.create,
            session_id=made.session_id,
            video_track_override_path=made.video_track_override_path,
        )
        if self._abandoned:  # it came after all, when nobody waits for it any more
            await hosted.close(agent)
            return
        self.agent = agent
        if self._leave.done():
            return
        try:
            self._tell_built(agent)
        except Exception as error:
            self._host_error = error
            return
        await self._recipe.join(agent, made.call_type, made.call_id, arguments.join)

    def _tell_built(self, agent: HostedAgent) -> None:
        if self._start_timeout is not None:
            self._start_timeout.cancel()
        here = self.assignment
        self.built_at = self._clock.wall()
        self.task = self._performing
        self._notify(Built(self.built_at))
        self.start_settled.set()
        on_joined = self._tell_joined if here.tells_joined else None
        self._watch = Watch(here.session_id, agent, self._limits, self._clock, on_joined, self._overstepped)
        self._watch.begin()

    def _tell_joined(self) -> None:
        self._notify(Joined(self._clock.wall()))

    def _overstepped(self, reason: EndReason) -> None:
        self.leave(reason, self._limits.describe(reason))

    async def _unbuilt(self, performing: asyncio.Task[None]) -> tuple[EndReason, str] | None:
        """Why there is no agent, once that is certain; None when a leave came first, perhaps after it was built."""
        if not performing.done():
            performing.cancel()
            begun = self._clock.boot()
            seconds = min(self._limits.leave_timeout_seconds, _GIVE_UP_BUILD_AFTER_SECONDS)
            if not await self._settled(performing, seconds):
                self._abandoned = True
                self._linger(performing)
                reason, message = self._leave.result()
                return reason, self._given_up(message, "create_agent", begun)
        if performing.cancelled():
            if self._leave.done():
                return None
            return EndReason.AGENT_ERROR, "CancelledError: create_agent was cancelled from inside"
        error = performing.exception()
        if error is None:
            return None
        self._log_error("create_agent or warm-up", error)
        if self._leave.done():
            return None
        self.error = error
        return EndReason.AGENT_ERROR, described(error)

    # --- leaving ---

    async def _depart(self, agent: HostedAgent) -> tuple[EndReason, str]:
        slow = self._clock.later(LEAVING_IS_SLOW_AFTER_SECONDS, self._tell_slow)
        last_moment = self._clock.boot() + self._limits.leave_timeout_seconds
        try:
            verdict = await self._verdict()
            rest = min(last_moment, self._last_moment) - self._clock.boot()
            await self._close(agent, max(rest, _CLOSE_AT_LEAST_SECONDS))
            for task in self.lingering:
                task.cancel()  # once more: with its agent closed it may give in
            return verdict
        finally:
            slow.cancel()

    def _tell_slow(self) -> None:
        self._notify(LeavingSlowly(self._clock.wall()))

    async def _verdict(self) -> tuple[EndReason, str]:
        """Ends join_call if it is still running, and says how the session ended."""
        if self.task is None:
            return self._leave.result()
        if self.task.done():
            return self._own_end(self.task)
        reason, message = self._leave.result()
        self.task.cancel()
        begun = self._clock.boot()
        if not await self._settled(self.task, self._limits.leave_timeout_seconds):
            self._linger(self.task)
            return reason, self._given_up(message, "join_call", begun)
        if not self.task.cancelled() and (error := self.task.exception()) is not None:
            self._log_error("join_call, while leaving,", error)
            message = f"{message}; while leaving: {described(error)}".removeprefix("; ")
        return reason, message

    def _own_end(self, task: asyncio.Task[None]) -> tuple[EndReason, str]:
        """join_call is over, though nobody in here ended it."""
        if task.cancelled():
            if task.cancelling():
                return EndReason.CLOSE_REQUESTED, "its task was cancelled"
            return EndReason.AGENT_ERROR, "CancelledError: join_call was cancelled from inside"
        error = task.exception()
        if error is None:
            return EndReason.FINISHED, ""
        self.error = error
        self._log_error("join_call", error)
        return EndReason.AGENT_ERROR, described(error)

    async def _close(self, agent: HostedAgent, seconds: float) -> None:
        closing = asyncio.create_task(hosted.close(agent), name=f"close-{self.assignment.session_id}")
        await self._wait_until(self._clock.boot() + seconds, closing)
        if not closing.done():
            closing.cancel()
            self._linger(closing)
            logger.error("session %s: agent.close() did not end in %g s", self.assignment.session_id, seconds)
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            self._log_error("agent.close()", error)

    def _linger(self, task: asyncio.Task[Any]) -> None:
        self.lingering.append(task)
        task.add_done_callback(_retrieved)

    def _given_up(self, message: str, what: str, begun: float) -> str:
        seconds = self._clock.boot() - begun
        text = f"{what} did not end within {seconds:.0f} s of its cancellation and was given up"
        logger.error("session %s: %s", self.assignment.session_id, text)
        return f"{message}; {text}".removeprefix("; ")

    async def _cut_off(self) -> None:
        """The host was cancelled, or failed: the agent is closed, and nothing more is told."""
        if self._performing is not None:
            self._performing.cancel()
        if self.agent is not None:
            await self._close(self.agent, _CLOSE_AT_LEAST_SECONDS)

    # --- waiting ---

    async def _settled(self, task: asyncio.Task[Any], seconds: float) -> bool:
        """Whether `task` ended within `seconds`, or sooner when there is a hurry."""
        deadline = self._clock.boot() + seconds
        await self._wait_until(deadline, task, self._hurry)
        if not task.done():
            await self._wait_until(min(deadline, self._last_moment), task)
        return task.done()

    async def _wait_until(self, deadline: float, *some: asyncio.Future[Any]) -> None:
        with suppress(TimeoutError):
            async with self._clock.timeout(max(0.0, deadline - self._clock.boot())):
                await asyncio.wait(some, return_when=asyncio.FIRST_COMPLETED)

    def _log_error(self, what: str, error: BaseException) -> None:
        name = self.assignment.session_id
        logger.error("session %s: %s raised %s\n%s", name, what, described(error), traced(error))

    @property
    def start_error(self) -> BaseException:
        """Why there is no agent, for a caller who waits for one."""
        if self.error is not None:
            return self.error
        ending = self.ending
        if ending is not None and ending.reason is EndReason.START_TIMEOUT:
            return StartTimedOut(ending.message)
        return StartAbandoned(f"the session ended before its agent was built: {ending.reason if ending else 'cut off'}")


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more; that it failed is no news."""
    if not task.cancelled():
        task.exception()
