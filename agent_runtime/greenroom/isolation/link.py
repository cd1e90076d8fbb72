"""The launcher's end of one stock process: starts it, has it fork, learns who exited.

Knows neither sessions nor when a stock is needed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import spawn
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.isolation import kernel, wire
from greenroom.isolation.ends import of_code
from greenroom.isolation.orphans import adopt
from greenroom.isolation.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from greenroom.isolation.stock_process import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


class StockGone(Exception):
    """The stock process ended before it answered."""


@dataclass(frozen=True, slots=True, eq=False)
class SessionPeer:
    """One session process. `exit` gives its status as waitpid does, None if nobody could learn it; `kill` may be
    called at any time."""

    pid: int
    socket: socket.socket
    exit: asyncio.Future[int | None]
    kill: Callable[[], None]


class StockLink:
    """Made by :meth:`start`. `loaded` comes first; `gone` gives the stock's exit code once it has been reaped."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, reader: asyncio.StreamReader, clock: Clock
    ) -> None:
        loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[wire.Loaded] = loop.create_future()
        self.gone: asyncio.Future[int] = loop.create_future()
        self._process = process
        self._control = control
        self._reader = reader
        self._clock = clock
        self._answers: deque[asyncio.Future[wire.Forked]] = deque()
        self._exits: dict[int, asyncio.Future[int | None]] = {}
        self._listening = asyncio.create_task(self._listen(), name="stock-link")

    @classmethod
    async def start(cls, begin: wire.Begin, lifeline: int, clock: Clock) -> StockLink:
        """`lifeline` is the read end of the pipe whose end is the end of all. Raises OSError."""
        kernel.take_over_orphans()
        ours, theirs = socket.socketpair()
        with theirs:
            # Not in a thread: the stock dies with the thread that made it.
            process = subprocess.Popen(  # noqa: ASYNC220
                _command(theirs.fileno(), lifeline),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lifeline),
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours.dup())
        writer.write(wire.framed(begin))
        ours.setblocking(False)
        link = cls(process, ours, reader, clock)
        link.gone.add_done_callback(lambda _: writer.close())
        return link

    async def fork(self) -> SessionPeer:
        """Raises StockGone, and OSError when the machine has no room for a process."""
        ours, theirs = socket.socketpair()
        answer: asyncio.Future[wire.Forked] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        try:
            with theirs:
                self._send(wire.Fork(), theirs.fileno())
            forked = await answer
        except BaseException:
            ours.close()
            raise
        if forked.error:
            ours.close()
            raise OSError(forked.error)
        pid = forked.pid
        return SessionPeer(pid, ours, self._exits[pid], lambda: self._kill(pid))

    async def close(self, seconds: float) -> None:
        """Lets go: it ends when its children have. After `seconds` it is killed."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        if not await first_of(self._clock, seconds, self.gone):
            self._process.kill()
        await self._listening
        self._control.close()

    # --- inside ---

    async def _listen(self) -> None:
        while (message := await wire.read(self._reader, wire.FROM_STOCK)) is not None:
            match message:
                case wire.Loaded():
                    self.loaded.set_result(message)
                case wire.Forked():
                    self._take_forked(message)
                case wire.Exited():
                    if (exit_ := self._exits.pop(message.pid, None)) is not None:
                        exit_.set_result(message.status)
                case _:
                    assert_never(message)
        self._process.kill()
        code = await asyncio.to_thread(self._process.wait)
        self._fail_waiting(StockGone(f"the stock process {of_code(code)}"))
        for pid, exit_ in self._exits.items():
            adopt(pid, exit_)
        self.gone.set_result(code)

    def _take_forked(self, message: wire.Forked) -> None:
        if not message.error:
            self._exits[message.pid] = asyncio.get_running_loop().create_future()
        answer = self._answers.popleft()
        if not answer.done():
            answer.set_result(message)

    def _fail_waiting(self, error: StockGone) -> None:
        waiting: list[asyncio.Future[Any]] = [self.loaded, *self._answers]
        for one in waiting:
            if not one.done():
                one.set_exception(error)

    def _kill(self, pid: int) -> None:
        exit_ = self._exits.get(pid)
        if exit_ is None or exit_.done():
            return
        if not self.gone.done():
            self._send(wire.Kill(pid))
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _send(self, message: wire.ToStock, *descriptors: int) -> None:
        """Messages are few and short: one always finds room in the socket, or nobody reads it any more."""
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [wire.framed(message)], descriptors)


def _command(control: int, lifeline: int) -> list[str]:
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    executable = os.fsdecode(spawn.get_executable())
    return [executable, *flags, "-c", _PROGRAM, str(control), str(lifeline), *sys.path]
