"""The program of a session process: one life, told to the launcher over a socket.

It runs in a fork of the stock, so it finds recipe and models in memory. It exits when its session has ended, and at
once when its launcher is gone.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any, assert_never

from greenroom import hosted
from greenroom.isolation import kernel, wire
from greenroom.isolation.ends import OUT_OF_MEMORY_STATUS, over_memory_limit
from greenroom.isolation.failures import ran_out_of_memory, taken_apart
from greenroom.isolation.loops import new_loop
from greenroom.life import SessionLife
from greenroom.notices import Answered, Built, Checkpointed, Ended, Joined, LeavingSlowly
from greenroom.redaction import described
from greenroom_core.clock import SystemClock
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    import socket

    from greenroom.hosted import HostedAgent
    from greenroom.notices import Assignment, Notice
    from greenroom.recipe import Recipe

logger = logging.getLogger("greenroom.isolation.session")

_MOST_UNREAD_BYTES = 1 << 16


def main(link: socket.socket, recipe: Recipe, uvloop: bool) -> int:
    """Waits for an assignment and lives it; the process's exit status.

    The loop is left as it is: whatever the agent forgot on it, threads too, ends with the process.
    """
    _reseed()
    loop = new_loop(uvloop)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_run(link, recipe))
    except MemoryError:
        return OUT_OF_MEMORY_STATUS
    return 0


def _reseed() -> None:
    """Python's own generator does it itself; numpy's, once loaded, would give every session the same numbers."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


async def _run(link: socket.socket, recipe: Recipe) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=link)
    order = await wire.read(reader, wire.TO_SESSION)
    if isinstance(order, wire.Assign):
        await SessionProcess(order, recipe, reader, writer).run()
    writer.close()
    await writer.wait_closed()


class SessionProcess:
    """One session, from its assignment to its end."""

    def __init__(
        self, order: wire.Assign, recipe: Recipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assignment: Assignment = pickle.loads(order.cargo)
        self._reader = reader
        self._writer = writer
        self._clock = SystemClock()
        self._memory_limit = order.memory_limit_bytes
        self._report_every_seconds = order.report_every_seconds
        self._life = SessionLife(assignment, recipe, self._clock, self._tell)
        self._call_told = False
        self._checkpoint: str | None = None  # not sent yet

    async def run(self) -> None:
        if self._memory_limit is not None:
            kernel.limit_memory(self._memory_limit)
        background = [asyncio.create_task(self._report()), asyncio.create_task(self._listen())]
        try:
            await self._life.run()
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)

    async def _listen(self) -> None:
        while (order := await wire.read(self._reader, wire.TO_SESSION)) is not None:
            if isinstance(order, wire.Leave):
                self._life.leave(order.reason, order.message, timeout_seconds=order.timeout_seconds)
            elif isinstance(order, wire.HostLeaves):
                self._life.host_leaves(order.seconds_left)
        self._life.leave(EndReason.DRAINED, "its launcher is gone", timeout_seconds=0.0)

    async def _report(self) -> None:
        """Shows that the loop turns, too. What nobody reads is not heaped up."""
        while True:
            try:
                if self._is_read:
                    agent = self._life.agent
                    self._send(wire.Alive(_state(agent) if agent is not None else None))
                    self._send_checkpoint()
            except MemoryError:
                self._end_over_limit()
            await self._clock.sleep(self._report_every_seconds)

    def _end_over_limit(self) -> None:
        """The agent's code holds all that there may be."""
        if self._memory_limit is not None:
            kernel.lift_memory_limit()
            self._life.leave(EndReason.AGENT_ERROR, over_memory_limit(self._memory_limit))

    @property
    def _is_read(self) -> bool:
        return self._writer.transport.get_write_buffer_size() < _MOST_UNREAD_BYTES

    # --- what the life tells ---

    def _tell(self, notice: Notice) -> None:
        agent, task = self._life.agent, self._life.task
        match notice:
            case Built():
                assert agent is not None
                assert task is not None
                self._send(wire.AgentBuilt(notice.at, agent.id, _state(agent)))
                task.add_done_callback(self._tell_call_over)
            case Answered():
                self._send(wire.AgentAnswered(notice.at, notice.answer))
            case Joined():
                assert agent is not None
                self._send(wire.AgentJoined(notice.at, _state(agent)))
            case Checkpointed():
                self._checkpoint = notice.state
                if self._is_read:
                    self._send_checkpoint()
            case LeavingSlowly():
                assert agent is not None
                self._send(wire.AgentLeaving(notice.at, _state(agent)))
            case Ended():
                if task is not None and task.done():
                    self._tell_call_over(task)
                self._tell_end(notice)
            case _:
                assert_never(notice)

    def _send_checkpoint(self) -> None:
        if self._checkpoint is not None:
            self._send(wire.AgentCheckpoint(self._checkpoint))
            self._checkpoint = None

    def _tell_call_over(self, task: asyncio.Task[None]) -> None:
        if self._call_told:
            return
        self._call_told = True
        if task.cancelled():
            self._send(wire.CallOver(cancelled=True))
            return
        error = task.exception()
        if self._over_limit(error):
            kernel.lift_memory_limit()
        self._send(wire.CallOver(taken_apart(error) if error is not None else None))

    def _tell_end(self, end: Ended) -> None:
        agent, error = self._life.agent, self._life.error
        message = end.message
        self._send_checkpoint()
        if self._memory_limit is not None and self._over_limit(error):
            kernel.lift_memory_limit()
            message = f"{over_memory_limit(self._memory_limit)}: {end.message}".removesuffix(": MemoryError")
        failure = taken_apart(error) if error is not None else None
        state = _state(agent) if agent is not None else None
        self._send(wire.LifeEnded(end.at, end.reason, message, failure, state))

    def _over_limit(self, error: BaseException | None) -> bool:
        return self._memory_limit is not None and ran_out_of_memory(error)

    def _send(self, message: wire.FromSession) -> None:
        self._writer.write(wire.framed(message))


def _state(agent: HostedAgent) -> wire.State:
    """An agent that cannot answer is taken as not idle, as its own watch takes it."""
    metrics = hosted.agent_metrics(agent, agent.id)
    figures = metrics.weighted() if metrics is not None else None
    try:
        return wire.State(float(agent.idle_for()), float(agent.on_call_for()), figures)
    except Exception as error:
        logger.warning("agent %s cannot say how it is: %s", agent.id, described(error))
        return wire.State(figures=figures)
