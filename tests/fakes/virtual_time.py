"""An event loop on which waiting costs nothing: when nothing is ready, time jumps to the next timer.

``asyncio.sleep`` and ``asyncio.timeout`` work unchanged, and a run is the same each time, as long as it uses neither
threads nor sockets. A thread's work is waited for while virtual time stands still. A wait that can never end is an
error that says who waits where, not a hang.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import selectors
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
"""What a wall clock shows when a virtual loop starts."""

START_SECONDS = 1_000.0
"""A virtual loop's time when it starts; not 0, which programs may take for "never"."""

_ROUNDS_WITHOUT_TIME = 2_000_000
_THREAD_SECONDS = 60.0


class Deadlock(AssertionError):
    """Nothing is ready, no timer is set and no thread works: nothing can ever happen any more."""


class TimeLimitPassed(AssertionError):
    """The run would have taken more virtual time than it was given."""


class Livelock(AssertionError):
    """The loop turns and turns, and time does not pass."""


class _JumpingSelector(selectors.BaseSelector):
    """Looks at the files without waiting; where a loop would wait, it moves the loop's time instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._files = selectors.DefaultSelector()
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Alone there is the loop's own pipe, by which threads wake it.
        watched = self._loop.threads_at_work or len(self._files.get_map()) > 1
        found = self._files.select(0) if watched else []
        self._rounds += 1
        if self._rounds > _ROUNDS_WITHOUT_TIME:
            self._rounds = 0
            raise Livelock(f"{_ROUNDS_WITHOUT_TIME} rounds at one moment\n{_who_waits(self._loop)}")
        if found or (timeout is not None and timeout <= 0):
            return found
        if self._loop.threads_at_work:
            return self._files.select(_THREAD_SECONDS)
        self._rounds = 0
        self._loop.jump(timeout)
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._files.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._files.get_map()

    def close(self) -> None:
        self._files.close()


class _Task(asyncio.Task[Any]):
    """Sets of tasks, such as those that asyncio itself cancels from, go by number and not by addresses."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **more: Any) -> None:
        self._number = number
        super().__init__(coroutine, **more)

    def __hash__(self) -> int:
        return self._number


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`limit_seconds` bounds the virtual time from the start; None: no bound."""

    def __init__(self, limit_seconds: float | None = None) -> None:
        self._now = START_SECONDS
        self._limit = START_SECONDS + limit_seconds if limit_seconds is not None else None
        self.threads_at_work = 0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 1e-9
        numbers = itertools.count()
        self.set_task_factory(lambda loop, coroutine, **more: _Task(next(numbers), coroutine, loop=loop, **more))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float | None) -> None:
        """Called when the loop has nothing to do for `seconds`; None means for ever."""
        if seconds is None:
            raise Deadlock(f"nothing can happen any more, {self._now - START_SECONDS:g} s in\n{_who_waits(self)}")
        if self._limit is not None and self._now + seconds > self._limit:
            limit = self._limit - START_SECONDS
            self._limit = None  # so that the tasks can still be ended in an orderly way
            raise TimeLimitPassed(f"not done after {limit:g} s of virtual time\n{_who_waits(self)}")
        self._now += seconds

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *limit: float | None) -> None:
        # From Python 3.12 on it takes a limit.
        self.threads_at_work += 1
        try:
            await super().shutdown_default_executor(*limit)
        finally:
            self.threads_at_work -= 1

    def _thread_done(self, _: object) -> None:
        self.threads_at_work -= 1


class VirtualClock:
    """A :class:`greenroom_core.clock.Clock` on the running virtual loop (or on a real one, from its start).

    `skew_seconds` is how far this process's wall clock is ahead of the others'.
    """

    def __init__(self, *, skew_seconds: float = 0.0) -> None:
        self.skew_seconds = skew_seconds

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.boot() - START_SECONDS + self.skew_seconds)

    def boot(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, act)


def run_virtual(coroutine: Coroutine[Any, Any, T], *, limit_seconds: float = 3_600.0) -> T:
    """Run `coroutine` on a new virtual loop and give its result.

    Raises what it raises; Deadlock when nothing can ever happen any more, TimeLimitPassed after `limit_seconds` of
    virtual time, Livelock when time stands still; each names the waiting tasks. Tasks left over are cancelled.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(limit_seconds)) as runner:
        return runner.run(coroutine)


def _who_waits(loop: asyncio.AbstractEventLoop) -> str:
    text = io.StringIO()
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        task.print_stack(limit=4, file=text)
    return text.getvalue()
