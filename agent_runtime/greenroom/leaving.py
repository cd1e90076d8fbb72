"""How an agent is made to leave its call within limits, and what becomes of that which would not end.

Knows no reasons and no notices: a session's life decides why and when.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from greenroom import hosted
from greenroom.redaction import described, traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom.hosted import HostedAgent
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.runtime.life")

CLOSE_AT_LEAST_SECONDS = 5.0
GOODBYE_SECONDS = 8.0


class Leaving:
    """Of one session. `last_moment` (boot clock) is when what hurries is over; `lingering` holds what would not end."""

    __slots__ = ("_clock", "_hurry", "_name", "_timeout_seconds", "last_moment", "lingering")

    def __init__(self, name: str, timeout_seconds: float, clock: Clock) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._hurry: asyncio.Future[None] | None = None
        self.last_moment = math.inf
        self.lingering: Sequence[asyncio.Task[Any]] = ()

    def begin(self) -> None:
        """Once, before anything is waited for."""
        self._hurry = asyncio.get_running_loop().create_future()
        if self.last_moment < math.inf:
            self._hurry.set_result(None)

    def hurry(self, seconds: float) -> None:
        """What is waited for has no longer than this."""
        self.last_moment = min(self.last_moment, self._clock.boot() + seconds)
        if self._hurry is not None and not self._hurry.done():
            self._hurry.set_result(None)

    async def settled(self, task: asyncio.Task[Any], seconds: float) -> bool:
        """Whether `task` ended within `seconds`, or sooner when there is a hurry."""
        deadline = self._clock.boot() + seconds
        assert self._hurry is not None
        await self._wait_until(deadline, task, self._hurry)
        if not task.done():
            await self._wait_until(min(deadline, self.last_moment), task)
        return task.done()

    async def goodbye(self, agent: HostedAgent, call: asyncio.Task[None], reason: str) -> None:
        """The agent may say that it has to go, while its call goes on; no longer than half of the time that is left."""
        left = min(self._timeout_seconds, self.last_moment - self._clock.boot())
        saying = asyncio.create_task(hosted.say_goodbye(agent, reason), name=f"goodbye-{self._name}")
        await self._wait_until(self._clock.boot() + min(GOODBYE_SECONDS, left / 2), saying, call)
        if not saying.done():
            saying.cancel()
            self.linger(saying)
        elif not saying.cancelled() and (error := saying.exception()) is not None:
            log_error(self._name, "the agent's goodbye", error)

    async def close(self, agent: HostedAgent, seconds: float) -> None:
        """Close the agent; one that does not within `seconds` is given up."""
        closing = asyncio.create_task(hosted.close(agent), name=f"close-{self._name}")
        await self._wait_until(self._clock.boot() + seconds, closing)
        if not closing.done():
            closing.cancel()
            self.linger(closing)
            logger.error("session %s: agent.close() did not end in %g s", self._name, seconds)
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            log_error(self._name, "agent.close()", error)

    def linger(self, task: asyncio.Task[Any]) -> None:
        """Nobody waits for `task` any more."""
        self.lingering = [*self.lingering, task]
        task.add_done_callback(_retrieved)

    def given_up(self, message: str, what: str, begun: float) -> str:
        """`message` with what did not end since `begun`; logged, too."""
        seconds = self._clock.boot() - begun
        text = f"{what} did not end within {seconds:.0f} s of its cancellation and was given up"
        logger.error("session %s: %s", self._name, text)
        return f"{message}; {text}".removeprefix("; ")

    async def _wait_until(self, deadline: float, *some: asyncio.Future[Any]) -> None:
        with suppress(TimeoutError):
            async with self._clock.timeout(max(0.0, deadline - self._clock.boot())):
                await asyncio.wait(some, return_when=asyncio.FIRST_COMPLETED)


def log_error(session: str, what: str, error: BaseException) -> None:
    logger.error("session %s: %s raised %s\n%s", session, what, described(error), traced(error))


def _retrieved(task: asyncio.Task[Any]) -> None:
    """That it failed is no news."""
    if not task.cancelled():
        task.exception()
