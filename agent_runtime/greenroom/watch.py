"""Asks an agent in its call what only it knows: whether it has joined, how long it has been alone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from greenroom.redaction import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.hosted import HostedAgent
    from greenroom.limits import TimeLimits
    from greenroom_core.clock import Clock
    from greenroom_core.model.reasons import EndReason

logger = logging.getLogger("greenroom.runtime.watch")

_JOIN_CHECK_SECONDS = 0.05
_JOIN_CHECK_SHARE = 0.1


class Watch:
    """`on_joined` is called once; `on_overstepped` with the limit that ends the session.

    An agent with `wait_joined()` tells of its join itself; another is asked, more seldom the longer it takes.
    """

    def __init__(
        self,
        name: str,
        agent: HostedAgent,
        limits: TimeLimits,
        clock: Clock,
        on_joined: Callable[[], None],
        on_overstepped: Callable[[EndReason], None],
    ) -> None:
        self._name = name
        self._agent = agent
        self._limits = limits
        self._clock = clock
        self._on_joined = on_joined
        self._on_overstepped = on_overstepped
        self._tells = callable(getattr(agent, "wait_joined", None))
        self._joined = False

    async def during(self, call: Callable[[], Any]) -> None:
        """Watches while `call` is awaited. An error in here is logged; it never ends the call."""
        watchers = [asyncio.create_task(self._ask(), name=f"watch-{self._name}")]
        if self._tells:
            watchers.append(asyncio.create_task(self._wait_joined(self._agent), name=f"joined-{self._name}"))
        try:
            await call()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.wait(watchers)
        self._look_joined()

    async def _ask(self) -> None:
        """As seldom as the limits allow."""
        begun = self._clock.boot()
        while True:
            try:
                pause = self._look(self._clock.boot() - begun)
            except Exception:
                logger.exception("session %s: its limits could not be looked at", self._name)
                pause = self._limits.check_interval_seconds
            if pause is None:
                return
            await self._clock.sleep(pause)

    def _look(self, elapsed: float) -> float | None:
        """Seconds to the next look, or None when a limit has been overstepped."""
        self._look_joined()
        idle_for = self._asked(self._agent.idle_for)
        on_call_for = self._asked(self._agent.on_call_for)
        reason = self._limits.overstepped(elapsed=elapsed, idle_for=idle_for, on_call_for=on_call_for)
        if reason is not None:
            self._on_overstepped(reason)
            return None
        pause = self._limits.next_check_seconds(elapsed=elapsed, idle_for=idle_for)
        if self._tells or self._joined:
            return pause
        return min(pause, max(_JOIN_CHECK_SECONDS, _JOIN_CHECK_SHARE * elapsed))

    def _asked(self, question: Callable[[], float]) -> float:
        """An agent that cannot answer is taken as not idle: its other limits still hold."""
        try:
            return float(question())
        except Exception as error:
            logger.warning("session %s: the agent cannot say: %s", self._name, described(error))
            return 0.0

    async def _wait_joined(self, agent: Any) -> None:
        try:
            await agent.wait_joined()
        except Exception as error:  # it never joined; why is join_call's to say
            logger.debug("session %s: not joined: %s", self._name, described(error))
        else:
            self._tell_joined()

    def _look_joined(self) -> None:
        if not self._joined and self._asked(self._agent.on_call_for) > 0:
            self._tell_joined()

    def _tell_joined(self) -> None:
        if self._joined:
            return
        self._joined = True
        try:
            self._on_joined()
        except Exception:
            logger.exception("session %s: its join could not be reported", self._name)
