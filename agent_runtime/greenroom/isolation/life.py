"""One session's life in a process of its own, as the launcher sees it.

Tells its host what :class:`greenroom.life.SessionLife` tells, in the same order. However the process ends, the host
hears Ended once, and the process has been reaped when :meth:`ProcessLife.run` returns.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.errors import InvalidParameters
from greenroom.isolation import ends, wire
from greenroom.isolation.agent import ReportedAgent
from greenroom.isolation.call import ReportedCall
from greenroom.isolation.cargo import packed
from greenroom.isolation.failures import put_together
from greenroom.isolation.vigil import Verdict, Vigil
from greenroom.isolation.waiting import first_of
from greenroom.latch import Latch
from greenroom.notices import Answered, Built, Checkpointed, Ended, Joined, LeavingSlowly
from greenroom.redaction import bounded, described, traced
from greenroom.unbuilt import start_error
from greenroom_core.model.reasons import EndReason
from greenroom_core.session_context import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from greenroom.hosted import HostedAgent
    from greenroom.isolation.link import SessionPeer
    from greenroom.isolation.stock import ProcessStock
    from greenroom.notices import Assignment, Notice

logger = logging.getLogger("greenroom.isolation.life")

_LAST_WORDS_SECONDS = 1.0


class SessionProcessLost(Exception):
    """A session's process ended before its session did; the message says how."""


class ProcessLife:
    """Call :meth:`begin`, or await :meth:`run`, which does; on the loop that it is to live on.

    `agent` is made of the process's reports, `task` ends as `join_call` did over there. `over` is set when the process
    is gone. Nothing of it lingers here: what does not end is killed.
    """

    def __init__(self, assignment: Assignment, stock: ProcessStock, notify: Callable[[Notice], None]) -> None:
        self.assignment = assignment
        self.agent: HostedAgent | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.lingering: Sequence[asyncio.Task[Any]] = ()
        self.built_at: datetime | None = None
        self.ending: Ended | None = None
        self.start_settled = Latch()
        self.over = Latch()
        self._reported: ReportedAgent | None = None
        self._call = ReportedCall(lambda: self.leave(EndReason.CLOSE_REQUESTED, "its task was cancelled"))
        self._stock = stock
        self._clock = stock.clock
        self._notify = notify
        self._limits = assignment.limits
        self._vigil = Vigil(stock.blocked_loop_seconds, assignment.limits.start_timeout_seconds)
        self._verdict: Verdict | None = None
        self._asked: asyncio.Future[tuple[EndReason, str]] = asyncio.get_running_loop().create_future()
        self._living: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._host_leaves_at: float | None = None

    def begin(self) -> None:
        """Without waiting: notices tell the rest, and Ended comes in any case."""
        name, here = self.assignment.session_id, context_of(self.assignment.session_id, self.assignment.call_id)
        self._living = asyncio.get_running_loop().create_task(self._live(), name=f"life-{name}", context=here)
        self._living.add_done_callback(_reported_failure)

    async def run(self) -> Ended:
        """The whole life, to the end of the process. Raises nothing of the agent's; cancelled, it still has the agent
        closed."""
        self.begin()
        assert self._living is not None
        await self._living
        assert self.ending is not None
        return self.ending

    def leave(self, reason: EndReason, message: str = "", *, timeout_seconds: float | None = None) -> None:
        """End the session now. The first reason stays; `timeout_seconds` shortens a leaving under way, too."""
        if not self._asked.done():
            self._asked.set_result((reason, message))
        self._vigil.leaving(self._limits.leave_timeout_seconds)
        if timeout_seconds is not None:
            self._vigil.leaving(timeout_seconds)
        self._send(wire.Leave(*self._asked.result(), timeout_seconds))

    def host_leaves(self, seconds_left: float | None) -> None:
        """The agent is told; a process that it has yet to get, once it has."""
        self._host_leaves_at = math.inf if seconds_left is None else self._clock.boot() + seconds_left
        self._tell_host_leaves()

    @property
    def leaving(self) -> bool:
        return self._asked.done()

    async def _live(self) -> None:
        try:
            await self._to_the_end()
        finally:
            self._call.settle(self.error)
            self._stock.forget(self)
            self.start_settled.set()
            self.over.set()

    async def _to_the_end(self) -> None:
        if self._asked.done():
            self._end(*self._asked.result())
            return
        try:
            cargo = packed(self.assignment)
        except InvalidParameters as error:
            self.error = error
            self._end(EndReason.INVALID_SPEC, str(error))
            return
        peer = await self._process()
        if peer is not None:
            await self._with(peer, cargo)

    # --- a process for it ---

    async def _process(self) -> SessionPeer | None:
        """None when it has ended without one."""
        taking = asyncio.create_task(self._stock.take(self), name=f"process-{self.assignment.session_id}")
        try:
            if not await first_of(self._clock, self._limits.start_timeout_seconds, taking, self._asked):
                seconds = self._limits.start_timeout_seconds
                self.leave(EndReason.START_TIMEOUT, f"there was no process for it within {seconds:g} s")
        except asyncio.CancelledError:
            self.leave(EndReason.CLOSE_REQUESTED, "its host let go of it")
            raise
        finally:
            taking.cancel()
            await asyncio.wait((taking,))
            if self._asked.done() and not taking.cancelled() and taking.exception() is None:
                self._stock.give_back(taking.result())
        if self._asked.done():
            self._end(*self._asked.result())
            return None
        if (error := taking.exception()) is not None:
            self.error = error
            self._end(EndReason.AGENT_ERROR, described(error))
            return None
        return taking.result()

    async def _with(self, peer: SessionPeer, cargo: bytes) -> None:
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=peer.socket)
        except BaseException:
            peer.socket.close()  # which ends it
            raise
        order = wire.Assign(cargo, self._stock.memory_limit_bytes, self._vigil.pause_seconds)
        self._writer.write(wire.framed(order))
        if self._asked.done():
            self._send(wire.Leave(*self._asked.result(), None))
        elif self._host_leaves_at is not None:
            self._tell_host_leaves()
        name = self.assignment.session_id
        hearing = asyncio.create_task(self._hear_all(reader), name=f"hearing-{name}")
        guarding = asyncio.create_task(self._guard(peer), name=f"guard-{name}")
        try:
            await self._until_gone(peer, hearing)
        except asyncio.CancelledError:
            self._notify = _nobody
            self.leave(EndReason.CLOSE_REQUESTED, "its host let go of it", timeout_seconds=0.0)
            await asyncio.wait((peer.exit,))
            raise
        finally:
            for task in (hearing, guarding):
                task.cancel()
            await asyncio.wait((hearing, guarding))
            self._writer.close()
            self._writer = None
        if self.ending is None:
            self._end_of_process(peer.exit.result())

    async def _until_gone(self, peer: SessionPeer, hearing: asyncio.Task[None]) -> None:
        """Its last words first. What it started itself may hold its socket open longer than it lives."""
        await asyncio.wait((hearing, peer.exit), return_when=asyncio.FIRST_COMPLETED)
        if await first_of(self._clock, _LAST_WORDS_SECONDS, hearing) and (error := hearing.exception()) is not None:
            self.error = error
            logger.error("session %s: the runtime failed: %s", self.assignment.session_id, traced(error))
            peer.kill()
        self._vigil.over()
        await asyncio.wait((peer.exit,))

    async def _guard(self, peer: SessionPeer) -> None:
        while self._verdict is None:
            await self._clock.sleep(self._vigil.pause_seconds)
            self._verdict = self._vigil.passed(self._vigil.pause_seconds)
        logger.error("session %s: its process %d is killed: %s", self.assignment.session_id, peer.pid, self._verdict)
        peer.kill()

    # --- what the process tells ---

    async def _hear_all(self, reader: asyncio.StreamReader) -> None:
        while (message := await wire.read(reader, wire.FROM_SESSION)) is not None:
            self._vigil.heard()
            self._hear(message)

    def _hear(self, message: wire.FromSession) -> None:
        match message:
            case wire.Alive():
                self._take(message.state)
            case wire.AgentBuilt():
                self._take_built(message)
            case wire.AgentAnswered():
                self._take_answer(message)
            case wire.AgentJoined():
                self._take(message.state)
                self._notify(Joined(message.at))
            case wire.AgentCheckpoint():
                self._notify(Checkpointed(message.state))
            case wire.AgentLeaving():
                self._take(message.state)
                self._vigil.leaving(self._limits.leave_timeout_seconds)
                self._notify(LeavingSlowly(message.at))
            case wire.CallOver():
                self._call.take(message)
                self._vigil.leaving(self._limits.leave_timeout_seconds)
            case wire.LifeEnded():
                self._take_end(message)
            case _:
                assert_never(message)

    def _take(self, state: wire.State | None) -> None:
        if state is not None and self._reported is not None:
            self._reported.take(state)

    def _take_built(self, message: wire.AgentBuilt) -> None:
        self._vigil.built()
        self.agent = self._reported = ReportedAgent(message.agent_id, self._clock, self._closed)
        self._reported.take(message.state)
        self.built_at = message.at
        self.task = self._call.begin(f"agent-{self.assignment.session_id}")
        self._notify(Built(message.at))
        self.start_settled.set()

    def _take_answer(self, message: wire.AgentAnswered) -> None:
        if self._reported is not None:
            self._reported.take_answer(message.answer)
        self._notify(Answered(message.at, message.answer))

    def _take_end(self, message: wire.LifeEnded) -> None:
        self._take(message.state)
        self._vigil.over()
        if message.failure is not None:
            self.error = put_together(message.failure)
        self._end(message.reason, message.message, message.at)

    # --- its end ---

    def _end(self, reason: EndReason, message: str = "", at: datetime | None = None) -> None:
        if self._reported is not None:
            self._reported.has_left()
        self._call.settle(self.error)
        self.ending = Ended(reason, bounded(message), at or self._clock.wall())
        try:
            self._notify(self.ending)
        finally:
            self.start_settled.set()

    def _end_of_process(self, status: int | None) -> None:
        """It ended without a word."""
        if self.error is not None:
            self._end(EndReason.AGENT_ERROR, f"the runtime failed: {described(self.error)}")
            return
        what = self._what_ended_it(status)
        if self._verdict is Verdict.STARTS_TOO_SLOWLY:
            self.leave(EndReason.START_TIMEOUT, self._limits.describe(EndReason.START_TIMEOUT))
        if self._asked.done():
            reason, message = self._asked.result()
            self._end(reason, f"{message}; {what}".removeprefix("; "))
        else:
            self.error = SessionProcessLost(what)
            self._end(EndReason.AGENT_ERROR, what)

    def _what_ended_it(self, status: int | None) -> str:
        if self._verdict is not None:
            return ends.of_verdict(self._verdict, self._stock.blocked_loop_seconds)
        return ends.of_status(status, self._stock.memory_limit_bytes)

    async def _closed(self) -> None:
        self.leave(EndReason.CLOSE_REQUESTED)
        await self.over.wait()

    def _tell_host_leaves(self) -> None:
        assert self._host_leaves_at is not None
        left = self._host_leaves_at - self._clock.boot()
        self._send(wire.HostLeaves(max(left, 0.0) if left < math.inf else None))

    def _send(self, order: wire.ToSession) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.framed(order))

    @property
    def start_error(self) -> BaseException:
        """Why there is no agent, for a caller who waits for one."""
        return start_error(self.error, self.ending)


def _reported_failure(living: asyncio.Task[None]) -> None:
    if not living.cancelled() and (error := living.exception()) is not None:
        logger.error("%s failed: %s", living.get_name(), traced(error))


def _nobody(notice: Notice) -> None:
    """Nobody is told any more."""
