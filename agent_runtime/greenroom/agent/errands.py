"""Functions that a model wants called while it goes on listening.

Knows nothing of models: a call comes in, a result goes out, or none if it is not wanted any more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom.agent.tools import PARALLEL_CALLS, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from greenroom.agent.conversation import ToolCall
    from greenroom.agent.tools import Toolbox
    from greenroom_core.clock import Clock

MAX_CALLS = 64
TOO_MANY = f"Not called: {MAX_CALLS} functions are being called already."
CUT_OFF = "Cut off before it was done; it may have had an effect."


class Errands:
    """The calls under way, each a task; :data:`PARALLEL_CALLS` at a time, the others wait."""

    def __init__(self, toolbox: Toolbox, clock: Clock, done: Callable[[ToolResult, bool], None]) -> None:
        """`done` is told of each result, and whether the model still wants it."""
        self._toolbox = toolbox
        self._clock = clock
        self._done = done
        self._places = asyncio.Semaphore(PARALLEL_CALLS)
        self._running: dict[str, tuple[ToolCall, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def running(self) -> bool:
        return bool(self._running)

    async def run(self) -> None:
        """Call what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def want(self, calls: Iterable[ToolCall]) -> None:
        """Call these; one that is being called already is not called again."""
        for call in calls:
            if len(self._running) >= MAX_CALLS:
                self._done(ToolResult(call, TOO_MANY, failed=True, duration_seconds=0.0), True)
            elif call.id not in self._running and self._group is not None:
                self._running[call.id] = (call, self._group.create_task(self._call(call), name=f"call-{call.name}"))

    def unwant(self, ids: Iterable[str]) -> None:
        """Stop these, those that do run."""
        for name in ids:
            if name in self._running:
                call, task = self._running.pop(name)
                task.cancel()
                self._done(ToolResult(call, CUT_OFF, failed=True, duration_seconds=0.0), False)

    def unwant_all(self) -> None:
        self.unwant(tuple(self._running))

    async def _call(self, call: ToolCall) -> None:
        async with self._places:
            (result,) = await self._toolbox.run((call,), self._clock)
        del self._running[call.id]
        self._done(result, True)
