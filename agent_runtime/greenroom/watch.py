"""Asks an agent in its call what only it knows: whether it has joined, how long it has been alone."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from greenroom.redaction import described
from greenroom_core.model.reasons import EndReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.hosted import HostedAgent
    from greenroom.limits import TimeLimits
    from greenroom_core.clock import Clock, Timer

logger = logging.getLogger("greenroom.runtime.watch")

_JOIN_CHECK_SECONDS = 0.05
_JOIN_CHECK_SHARE = 0.1


class Watch:
    """`on_overstepped` is called with the limit that ends the session.

    A watch is one timer, so that a thousand idle sessions cost next to nothing. An error in here is logged; it never
    ends the call.
    """

    __slots__ = (
        "_agent",
        "_begun",
        "_clock",
        "_due",
        "_joining",
        "_limits",
        "_name",
        "_on_joined",
        "_on_overstepped",
        "_timer",
    )

    def __init__(
        self, name: str, limits: TimeLimits, clock: Clock, on_overstepped: Callable[[EndReason], None]
    ) -> None:
        self._name = name
        self._limits = limits
        self._clock = clock
        self._on_overstepped = on_overstepped
        self._on_joined: Callable[[], None] | None = None
        self._agent: Any = None
        self._joining: asyncio.Task[None] | None = None
        self._begun = clock.boot()
        self._due = 0.0
        self._timer: Timer | None = None

    def begin(self) -> None:
        """The agent is being built from now on."""
        self._set(self._begun, self._limits.next_start_check_seconds(elapsed=0.0))

    def built(self, agent: HostedAgent, on_joined: Callable[[], None] | None) -> None:
        """The agent is there. `on_joined`, where somebody cares, is called once: an agent with `wait_joined()` tells of
        its join itself, another is asked, more seldom the longer it takes."""
        self._agent = agent
        self._begun = self._clock.boot()
        self._on_joined = on_joined
        if on_joined is not None and callable(getattr(agent, "wait_joined", None)):
            self._joining = asyncio.create_task(self._wait_joined(), name=f"joined-{self._name}")
        pause = self._pause(elapsed=0.0, idle_for=0.0)
        if self._begun + pause < self._due:  # else the next look, which is set already, comes in time
            self._set(self._begun, pause)

    def _set(self, now: float, pause: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = now + pause
        self._timer = self._clock.later(pause, self._ask)

    def cancel(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._joining is not None:
            self._joining.cancel()

    async def end(self) -> None:
        """The call is over, or about to be: a join that nobody has told of yet is told now."""
        self.cancel()
        if self._joining is not None:
            await asyncio.wait((self._joining,))
        self._look_joined()

    def _ask(self) -> None:
        """As seldom as the limits allow."""
        now = self._clock.boot()
        try:
            pause = self._look(now - self._begun) if self._agent is not None else self._look_at_start(now - self._begun)
        except Exception:
            logger.exception("session %s: its limits could not be looked at", self._name)
            pause = self._limits.check_interval_seconds
        if pause is not None:
            self._set(now, pause)

    def _look_at_start(self, elapsed: float) -> float | None:
        if not self._limits.start_overdue(elapsed=elapsed):
            return self._limits.next_start_check_seconds(elapsed=elapsed)
        self._on_overstepped(EndReason.START_TIMEOUT)
        return None

    def _look(self, elapsed: float) -> float | None:
        """Seconds to the next look, or None when a limit has been overstepped."""
        self._look_joined()
        idle_for = self._asked(self._agent.idle_for)
        on_call_for = self._asked(self._agent.on_call_for)
        reason = self._limits.overstepped(elapsed=elapsed, idle_for=idle_for, on_call_for=on_call_for)
        if reason is not None:
            self._on_overstepped(reason)
            return None
        return self._pause(elapsed=elapsed, idle_for=idle_for)

    def _pause(self, *, elapsed: float, idle_for: float) -> float:
        pause = self._limits.next_check_seconds(elapsed=elapsed, idle_for=idle_for)
        if self._on_joined is None or self._joining is not None:
            return pause
        return min(pause, max(_JOIN_CHECK_SECONDS, _JOIN_CHECK_SHARE * elapsed))

    def _asked(self, question: Callable[[], float]) -> float:
        """An agent that cannot answer is taken as not idle: its other limits still hold."""
        try:
            return float(question())
        except Exception as error:
            logger.warning("session %s: the agent cannot say: %s", self._name, described(error))
            return 0.0

    async def _wait_joined(self) -> None:
        try:
            await self._agent.wait_joined()
        except Exception as error:  # it never joined; why is join_call's to say
            logger.debug("session %s: not joined: %s", self._name, described(error))
        else:
            self._tell_joined()

    def _look_joined(self) -> None:
        if self._on_joined is not None and self._asked(self._agent.on_call_for) > 0:
            self._tell_joined()

    def _tell_joined(self) -> None:
        tell, self._on_joined = self._on_joined, None
        if tell is None:
            return
        try:
            tell()
        except Exception:
            logger.exception("session %s: its join could not be reported", self._name)
