"""Where the lives of sessions come from: from this process, or from processes of their own.

A host knows a life by this surface alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from greenroom.life import SessionLife

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from greenroom.hosted import HostedAgent
    from greenroom.notices import Assignment, Ended, Notice
    from greenroom.recipe import Recipe
    from greenroom_core.clock import Clock
    from greenroom_core.model.reasons import EndReason


class Settled(Protocol):
    """Something that happens once."""

    def is_set(self) -> bool: ...

    async def wait(self) -> object: ...


class Life(Protocol):
    """One session's life, as :class:`greenroom.life.SessionLife` describes it."""

    assignment: Assignment
    agent: HostedAgent | None
    task: asyncio.Task[None] | None
    error: BaseException | None
    built_at: datetime | None
    ending: Ended | None

    @property
    def lingering(self) -> Sequence[asyncio.Task[Any]]: ...

    @property
    def start_settled(self) -> Settled: ...

    def begin(self) -> None: ...

    async def run(self) -> Ended: ...

    def leave(self, reason: EndReason, message: str = "", *, timeout_seconds: float | None = None) -> None: ...

    def host_leaves(self, seconds_left: float | None) -> None: ...

    @property
    def leaving(self) -> bool: ...

    @property
    def start_error(self) -> BaseException: ...


class Lives(Protocol):
    """Makes lives, from agents that are made alike."""

    async def warm_up(self) -> None:
        """Load what agents share. Raises what `create_agent` or a part's warm-up raises."""
        ...

    def life(self, assignment: Assignment, notify: Callable[[Notice], None]) -> Life: ...

    async def close(self) -> None:
        """After the last life has ended."""
        ...


class InProcess:
    """Lives that share this process."""

    def __init__(self, recipe: Recipe, clock: Clock) -> None:
        self._recipe = recipe
        self._clock = clock

    async def warm_up(self) -> None:
        await self._recipe.warm_up()

    def life(self, assignment: Assignment, notify: Callable[[Notice], None]) -> Life:
        return SessionLife(assignment, self._recipe, self._clock, notify)

    async def close(self) -> None:
        """Nothing of it outlives its lives."""
