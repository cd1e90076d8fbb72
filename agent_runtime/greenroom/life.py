"""One session's life in this process: build, join, leave, end. The same for the launcher and for a runtime pod.

It tells its host what happens as typed notices, in this order: Built, Answered, Joined, LeavingSlowly, Ended; each at
most once, Ended always, the others where they happened. Checkpointed comes any number of times between Built and Ended.
It knows neither limits across sessions nor the API server.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

from greenroom import hosted
from greenroom.checkpoints.form import decoded
from greenroom.errors import AgentExit, InvalidParameters
from greenroom.latch import Latch
from greenroom.leaving import CLOSE_AT_LEAST_SECONDS, Leaving, log_error
from greenroom.notices import Answered, Assignment, Built, Checkpointed, Ended, Joined, LeavingSlowly, Notice
from greenroom.redaction import bounded, described
from greenroom.unbuilt import start_error
from greenroom.watch import Watch
from greenroom_core.model.reasons import EndReason, WaitReason
from greenroom_core.session_context import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from greenroom.hosted import HostedAgent
    from greenroom.recipe import Arguments, Recipe
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.life")

LEAVING_IS_SLOW_AFTER_SECONDS = 1.0
# A start timeout and this together stay below the time after which an unstarted session is given to another pod.
_GIVE_UP_BUILD_AFTER_SECONDS = 10.0
# Ends that come from us while somebody may be speaking with the agent.
_GOODBYE_REASONS = frozenset({EndReason.DRAINED, EndReason.MAX_DURATION})


class SessionLife:
    """Call :meth:`begin`, or await :meth:`run`, which does; on the loop that it is to live on.

    `notify` is called without awaiting. `agent` and `task` (join_call's) are there from Built on; `error` is what the
    agent's code raised, if it did. `start_settled` is set when the agent has been built or never will be. `lingering`
    holds what would not end: the host keeps it until it does.

    A session that is in its call has one task, join_call's, and one timer: a thousand may wait at little cost.
    """

    __slots__ = (
        "_abandoned",
        "_asked",
        "_begun",
        "_clock",
        "_context",
        "_cut",
        "_departing",
        "_host_error",
        "_host_leaves_at",
        "_leaving",
        "_limits",
        "_notify",
        "_over",
        "_performing",
        "_recipe",
        "_watch",
        "agent",
        "assignment",
        "built_at",
        "ending",
        "error",
        "start_settled",
        "task",
    )

    def __init__(self, assignment: Assignment, recipe: Recipe, clock: Clock, notify: Callable[[Notice], None]) -> None:
        self.assignment = assignment
        self.agent: HostedAgent | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.built_at: datetime | None = None
        self.ending: Ended | None = None
        self.start_settled = Latch()
        self._limits = assignment.limits
        self._recipe = recipe
        self._clock = clock
        self._notify = notify
        self._context = context_of(assignment.session_id, assignment.call_id)
        self._asked: tuple[EndReason, str] | None = None
        self._leaving = Leaving(assignment.session_id, assignment.limits.leave_timeout_seconds, clock)
        self._performing: asyncio.Task[None] | None = None
        self._departing: asyncio.Task[None] | None = None
        self._over: asyncio.Future[Ended] | None = None
        self._watch = Watch(assignment.session_id, self._limits, clock, self._overstepped)
        self._host_error: Exception | None = None
        self._host_leaves_at: float | None = None
        self._begun = False
        self._abandoned = False
        self._cut = False

    def begin(self) -> None:
        """Without waiting: notices tell the rest, and Ended comes in any case."""
        self._begun = True
        if self._asked is None:
            try:
                arguments = self._recipe.arguments(self.assignment.parameters, self._earlier)
            except InvalidParameters as error:
                self.error = error
                self._asked = EndReason.INVALID_SPEC, str(error)
        if self._asked is not None:
            self._depart_soon()
            return
        loop = asyncio.get_running_loop()
        name = f"agent-{self.assignment.session_id}"
        self._performing = loop.create_task(self._perform(arguments), name=name, context=self._context)
        self._performing.add_done_callback(self._depart_soon)
        self._watch.begin()

    async def run(self) -> Ended:
        """The whole life. Raises nothing of the agent's; cancelled, it still closes the agent."""
        self._over = asyncio.get_running_loop().create_future()
        self.begin()
        try:
            return await self._over
        except asyncio.CancelledError:
            await self._cut_off()
            raise

    def leave(self, reason: EndReason, message: str = "", *, timeout_seconds: float | None = None) -> None:
        """End the session now. The first reason stays; `timeout_seconds` shortens a leaving under way, too."""
        if self._asked is None:
            self._asked = reason, message
            if self._begun:
                self._depart_soon()
        if timeout_seconds is not None:
            self._leaving.hurry(timeout_seconds)

    def host_leaves(self, seconds_left: float | None) -> None:
        """The call may go on for so long (None: to its end). The agent is told; one that is being built, once it is."""
        self._host_leaves_at = math.inf if seconds_left is None else self._clock.boot() + seconds_left
        if self.task is not None and self.ending is None:
            self._tell_host_leaves()

    @property
    def lingering(self) -> Sequence[asyncio.Task[Any]]:
        return self._leaving.lingering

    @property
    def leaving(self) -> bool:
        return self._asked is not None

    # --- the agent's own task: it is built, and goes into the call ---

    async def _perform(self, arguments: Arguments) -> None:
        made = self.assignment
        agent = await self._recipe.build(
            arguments.create,
            session_id=made.session_id,
            video_track_override_path=made.video_track_override_path,
        )
        if self._abandoned or self._cut:  # it came after all, when nobody waits for it any more
            await hosted.close(agent)
            return
        self.agent = agent
        if self._asked is not None:
            return
        try:
            self._tell_built(agent)
        except Exception as error:
            self._host_error = error
            return
        try:
            await self._recipe.join(agent, made.call_type, made.call_id, arguments.join)
        except SystemExit as error:
            raise AgentExit(f"join_call raised SystemExit({error.code!r})") from error

    def _tell_built(self, agent: HostedAgent) -> None:
        self.built_at = self._clock.wall()
        self.task = self._performing
        self._notify(Built(self.built_at))
        self.start_settled.set()
        self._watch.built(agent, self._tell_joined if self.assignment.tells_joined else None)
        if self._host_leaves_at is not None:
            self._tell_host_leaves()
        hosted.hear_answer(agent, self.assignment.session_id, self._tell_answered)
        hosted.hear_checkpoints(agent, self.assignment.session_id, self._tell_checkpoint)

    def _tell_host_leaves(self) -> None:
        assert self.agent is not None
        assert self._host_leaves_at is not None
        left = self._host_leaves_at - self._clock.boot()
        seconds_left = max(left, 0.0) if left < math.inf else None
        hosted.tell_leaving(self.agent, self.assignment.session_id, seconds_left, self.assignment.moves)

    def _tell_answered(self, answer: str) -> None:
        if self.ending is None and not self._cut:
            self._notify(Answered(self._clock.wall(), answer))

    def _tell_checkpoint(self, state: str) -> None:
        if self.ending is None and not self._cut:
            self._notify(Checkpointed(state))

    def _tell_joined(self) -> None:
        self._notify(Joined(self._clock.wall()))

    def _overstepped(self, reason: EndReason) -> None:
        self.leave(reason, self._limits.describe(reason))

    @property
    def _earlier(self) -> Mapping[str, Any] | None:
        """What the attempt before this one has left."""
        text = self.assignment.checkpoint
        state = decoded(text) if text is not None else None
        if text is not None and state is None:
            logger.error("session %s: its checkpoint is no JSON object and is left out", self.assignment.session_id)
        return state

    # --- its end, in a task of its own ---

    def _depart_soon(self, _: object = None) -> None:
        """join_call is over, or somebody asked for the end."""
        if self._departing is not None or self._cut:
            return
        name = f"leaving-{self.assignment.session_id}"
        self._departing = asyncio.get_running_loop().create_task(self._end(), name=name, context=self._context)
        self._departing.add_done_callback(self._ended)

    async def _end(self) -> None:
        """Everything that is left to do. Whoever cancels it has cut the session off."""
        self._leaving.begin()
        await self._watch.end()
        reason, message = await self._verdict()
        self.ending = Ended(reason, bounded(message), self._clock.wall())
        try:
            self._notify(self.ending)
        finally:
            self.start_settled.set()

    def _ended(self, departing: asyncio.Task[None]) -> None:
        error = None if departing.cancelled() else departing.exception()
        if self._over is not None and not self._over.done():
            if error is None and self.ending is not None:
                self._over.set_result(self.ending)
            else:
                self._over.set_exception(error or RuntimeError("the session was cut off"))
        elif error is not None:
            logger.error("session %s: its end failed", self.assignment.session_id, exc_info=error)

    async def _verdict(self) -> tuple[EndReason, str]:
        """How it ended. The agent, if there is one, has left and is closed afterwards."""
        failure: tuple[EndReason, str] | None = None
        if self._host_error is not None:
            failure = self._host_failed(self._host_error)
        elif self.task is None and self._performing is not None:
            failure = await self._unbuilt(self._performing)
        if self.agent is not None:
            return await self._depart(self.agent, failure)
        return failure or self._verdict_asked

    @property
    def _verdict_asked(self) -> tuple[EndReason, str]:
        assert self._asked is not None
        return self._asked

    def _host_failed(self, error: Exception) -> tuple[EndReason, str]:
        self.error = error
        log_error(self.assignment.session_id, "the runtime", error)
        return EndReason.AGENT_ERROR, f"the runtime failed: {described(error)}"

    async def _unbuilt(self, performing: asyncio.Task[None]) -> tuple[EndReason, str] | None:
        """Why there is no agent, once that is certain; None when a leave came first, perhaps after it was built."""
        if not performing.done():
            performing.cancel()
            begun = self._clock.boot()
            seconds = min(self._limits.leave_timeout_seconds, _GIVE_UP_BUILD_AFTER_SECONDS)
            if not await self._leaving.settled(performing, seconds):
                self._abandoned = True
                self._leaving.linger(performing)
                reason, message = self._verdict_asked
                return reason, self._leaving.given_up(message, "create_agent", begun)
        if performing.cancelled():
            if self._asked is not None:
                return None
            return EndReason.AGENT_ERROR, "CancelledError: create_agent was cancelled from inside"
        error = performing.exception()
        if error is None:
            return None
        log_error(self.assignment.session_id, "create_agent or warm-up", error)
        if self._asked is not None:
            return None
        self.error = error
        return EndReason.AGENT_ERROR, described(error)

    # --- leaving ---

    async def _depart(self, agent: HostedAgent, failure: tuple[EndReason, str] | None) -> tuple[EndReason, str]:
        slow = self._clock.later(LEAVING_IS_SLOW_AFTER_SECONDS, self._tell_slow)
        last_moment = self._clock.boot() + self._limits.leave_timeout_seconds
        try:
            verdict = failure or await self._call_over(agent)
            rest = min(last_moment, self._leaving.last_moment) - self._clock.boot()
            await self._leaving.close(agent, max(rest, CLOSE_AT_LEAST_SECONDS))
            for task in self.lingering:
                task.cancel()  # once more: with its agent closed it may give in
            return verdict
        finally:
            slow.cancel()

    def _tell_slow(self) -> None:
        self._notify(LeavingSlowly(self._clock.wall()))

    async def _call_over(self, agent: HostedAgent) -> tuple[EndReason, str]:
        """Ends join_call if it is still running, and says how the session ended."""
        if self.task is None:
            return self._verdict_asked
        if self.task.done():
            return self._own_end(self.task)
        reason, message = self._verdict_asked
        if reason in _GOODBYE_REASONS:
            moves = reason is EndReason.DRAINED and self.assignment.moves
            await self._leaving.goodbye(agent, self.task, WaitReason.RETURNED if moves else reason)
        self.task.cancel()
        begun = self._clock.boot()
        if not await self._leaving.settled(self.task, self._limits.leave_timeout_seconds):
            self._leaving.linger(self.task)
            return reason, self._leaving.given_up(message, "join_call", begun)
        if not self.task.cancelled() and (error := self.task.exception()) is not None:
            log_error(self.assignment.session_id, "join_call, while leaving,", error)
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
        log_error(self.assignment.session_id, "join_call", error)
        return EndReason.AGENT_ERROR, described(error)

    async def _cut_off(self) -> None:
        """The host was cancelled: the agent is closed, and nothing more is told."""
        self._cut = True
        self._watch.cancel()
        for task in (self._departing, self._performing):
            if task is not None:
                task.cancel()
        if self.agent is not None:
            await self._leaving.close(self.agent, CLOSE_AT_LEAST_SECONDS)

    @property
    def start_error(self) -> BaseException:
        """Why there is no agent, for a caller who waits for one."""
        return start_error(self.error, self.ending)
