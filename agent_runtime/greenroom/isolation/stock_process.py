"""The program of the stock: it loads the agent file and what agents share once, then forks session processes.

It has one thread and, after the warm-up, no event loop: what it forks is in a known state. It exits when its launcher
has let go of it and its last child has been reaped.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import selectors
import signal
import socket
import sys
from multiprocessing import process, spawn
from typing import NoReturn

from greenroom.isolation import kernel, session_process, wire
from greenroom.isolation.executors import end_threads
from greenroom.isolation.failures import taken_apart
from greenroom.isolation.loops import new_loop
from greenroom.recipe import Recipe
from greenroom.redaction import traced
from greenroom_core import logs

logger = logging.getLogger("greenroom.isolation.stock")

_CHUNK_BYTES = 1 << 16
_MOST_FDS = 8


def main(control: int, lifeline: int) -> NoReturn:
    """`control` is a stream socket to the launcher, `lifeline` the read end of a pipe that only it can write to."""
    for descriptor in (control, lifeline):
        os.set_inheritable(descriptor, False)
    kernel.die_with_parent()
    kernel.take_over_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The launcher decides. A handler and not SIG_IGN, which would be passed on to what the agent's code starts.
        signal.signal(number, _leave_it_to_the_launcher)
    stock = Stock(socket.socket(fileno=control), lifeline)
    sys.exit(0 if stock.load() and stock.serve() else 1)


def _leave_it_to_the_launcher(number: int, frame: object) -> None:
    pass


class Stock:
    """Call :meth:`load`, then :meth:`serve`."""

    def __init__(self, control: socket.socket, lifeline: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._buffer = bytearray()
        self._sockets: list[int] = []
        self._wake = socket.socketpair()
        self._children: set[int] = set()
        self._uvloop = False
        self._recipe: Recipe | None = None

    def load(self) -> bool:
        """Whether there is anything to fork."""
        begin = self._begin()
        try:
            self._recipe = self._imported(begin)
        except BaseException as error:
            print(traced(error), file=sys.stderr)  # logging may not have been set up
            self._send(wire.Loaded(False, taken_apart(error)))
            return False
        self._send(wire.Loaded(True, self._warmed_up(self._recipe) if begin.warm_up else None))
        return True

    def serve(self) -> bool:
        """Forks, kills and reaps until the launcher lets go."""
        reading, writing = self._wake
        for end in self._wake:
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, _leave_it_to_the_launcher)  # with a handler it wakes the selector
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # a collection in a child must not write to, and so copy, what all share
        with selectors.DefaultSelector() as ready:
            ready.register(self._control, selectors.EVENT_READ)
            ready.register(reading, selectors.EVENT_READ)
            held = True
            while held or self._children:
                for key, _ in ready.select():
                    if key.fileobj is reading:
                        reading.recv(_CHUNK_BYTES)
                    elif not self._obey():
                        held = False
                        ready.unregister(self._control)
                self._reap()
        return True

    # --- loading ---

    def _begin(self) -> wire.Begin:
        while data := self._control.recv(_CHUNK_BYTES):
            self._buffer += data
            for order in wire.taken(self._buffer, wire.TO_STOCK):
                assert isinstance(order, wire.Begin)
                return order
        sys.exit("the launcher let go of its stock before it said anything")

    def _imported(self, begin: wire.Begin) -> Recipe:
        """The agent file, as multiprocessing's spawned processes import it: not as `__main__`."""
        this = process.current_process()
        this._inheriting = True  # type: ignore[attr-defined] # has a file without a main guard say so
        try:
            spawn.prepare(pickle.loads(begin.preparation))
            source = pickle.loads(begin.source)
        finally:
            del this._inheriting  # type: ignore[attr-defined]
        if begin.logging is not None:
            logs.set_up(begin.logging.level, begin.logging.style)
        self._uvloop = begin.uvloop
        recipe: Recipe = source.recipe()
        return recipe

    def _warmed_up(self, recipe: Recipe) -> wire.Failure | None:
        failure = None
        try:
            with asyncio.Runner(loop_factory=lambda: new_loop(self._uvloop)) as runner:
                runner.run(recipe.warm_up())
        except BaseException as error:
            logger.error("the warm-up failed: %s", traced(error))
            failure = taken_apart(error)
        end_threads()
        return failure

    # --- forking ---

    def _obey(self) -> bool:
        """What the launcher asks; False when it has let go."""
        data, sockets, _, _ = socket.recv_fds(self._control, _CHUNK_BYTES, _MOST_FDS)
        if not data:
            return False
        self._buffer += data
        for number in sockets:
            os.set_inheritable(number, False)
        self._sockets += sockets
        for order in wire.taken(self._buffer, wire.TO_STOCK):
            if isinstance(order, wire.Fork):
                self._fork(self._sockets.pop(0))
            elif isinstance(order, wire.Kill) and order.pid in self._children:
                os.kill(order.pid, signal.SIGKILL)
        return True

    def _fork(self, link: int) -> None:
        _flush()
        try:
            pid = os.fork()
        except OSError as error:
            self._send(wire.Forked(0, f"the stock could not fork: {error.strerror}"))
            os.close(link)
            return
        if pid == 0:
            self._become_session(link)
        os.close(link)
        self._children.add(pid)
        self._send(wire.Forked(pid))

    def _become_session(self, link: int) -> NoReturn:
        status = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for item in (self._control, *self._wake):
                item.close()
            for number in self._sockets:
                os.close(number)
            kernel.die_at_end_of(self._lifeline)
            assert self._recipe is not None
            status = session_process.main(socket.socket(fileno=link), self._recipe, self._uvloop)
        except BaseException as error:
            logger.critical("the session process failed: %s", traced(error))
        finally:
            try:
                logging.shutdown()
                _flush()
            finally:
                os._exit(status)

    def _reap(self) -> None:
        """What a session's process leaves running is ended with it; orphans of such processes come here, too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._children:
                self._children.discard(pid)
                kernel.end_group(pid)
                self._send(wire.Exited(pid, status))

    def _send(self, message: wire.FromStock) -> None:
        try:
            self._control.sendall(wire.framed(message))
        except OSError:
            logger.debug("the launcher does not listen any more")


def _flush() -> None:
    """What stands in a buffer would be written once by each process."""
    sys.stdout.flush()
    sys.stderr.flush()
