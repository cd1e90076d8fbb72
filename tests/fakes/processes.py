"""Several programs on one virtual loop, each of which can be stopped where it stands: as by SIGSTOP, or for good.

A :class:`Process` owns every task and timer made in its context. Stopped, none of them runs, to whatever await they had
come; continued, they run in the order in which they would have. What a process handed to others (a request that is on
its way) goes on meanwhile. A run is the same in every interpreter: tasks are hashed by their number, not their address.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from tests.fakes.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

T = TypeVar("T")

_LEAST_JUMP_SECONDS = 1e-6
"""A wait moves time, however short it is: clocks that run at other rates would else meet waits that end too early."""


class Process:
    """One program. `steps` counts what it has run: a task from one await to the next is one step."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps = 0
        self.roots: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(_process.set, self)
        self._held: list[asyncio.Handle] | None = None
        self._stop_at = 0
        self._on_stop: Callable[[], None] = _nothing

    @property
    def stopped(self) -> bool:
        return self._held is not None

    def start(self, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Makes a task of this process."""
        task = asyncio.get_running_loop().create_task(
            work, name=f"{self.name} {name}".rstrip(), context=self._context.copy()
        )
        self.roots.append(task)
        return task

    def run(self, call: Callable[[], T]) -> T:
        """Calls into the program from outside, as a signal would."""
        return self._context.copy().run(call)

    def stop(self) -> None:
        if self._held is None:
            self._held = []
            self._stop_at = 0

    def stop_after(self, steps: int, then: Callable[[], None]) -> None:
        """Stops it just before its `steps`-th step from now, and calls `then`; 0: not any more."""
        self._stop_at, self._on_stop = self.steps + steps if steps else 0, then

    def go_on(self) -> None:
        held, self._held = self._held or [], None
        loop: Any = asyncio.get_running_loop()
        loop._ready.extend(held)

    def may_run(self, handle: asyncio.Handle) -> bool:
        """For the loop alone: False keeps `handle` back."""
        if self._held is not None:
            self._held.append(handle)
            return False
        self.steps += 1
        if self.steps != self._stop_at:
            return True
        self.stop()
        self._held.append(handle)
        self._on_stop()
        return False


async def end(processes: list[Process]) -> None:
    """Ends them all in an orderly way, whatever their state: what they still do then is no part of the story."""
    tasks = [task for process in processes for task in process.roots]
    for task in tasks:
        task.cancel()
    for process in processes:
        process.stop_after(0, _nothing)
        process.go_on()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_processes(coroutine: Coroutine[Any, Any, T], *, limit_seconds: float = 3_600.0) -> T:
    """As `run_virtual`, on a loop that knows processes."""
    with asyncio.Runner(loop_factory=lambda: _ProcessLoop(limit_seconds)) as runner:
        return runner.run(coroutine)


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def _nothing() -> None:
    pass


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_process)
        if process is None or process.may_run(self):
            super()._run()


class _TimerHandle(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_process)
        if process is None or process.may_run(self):
            super()._run()


class _Task(asyncio.Task[T]):
    """asyncio keeps tasks in sets; by their numbers these have the same order in every run."""

    def __init__(self, number: int, coroutine: Any, **options: Any) -> None:
        self._hash = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._hash


class _ProcessLoop(VirtualTimeLoop):
    def __init__(self, limit_seconds: float | None = None) -> None:
        super().__init__(limit_seconds)
        self._numbers = itertools.count()
        self.set_task_factory(self._numbered)

    def _numbered(self, loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return _Task(next(self._numbers), coroutine, loop=loop, **options)

    def jump(self, seconds: float | None) -> None:
        super().jump(seconds if seconds is None else max(seconds, _LEAST_JUMP_SECONDS))

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        self._check_closed()
        timer = _TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer
