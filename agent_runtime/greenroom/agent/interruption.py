"""A sound of the user while the agent speaks: silence at once, and then either words or a false alarm.

Decides when an answer is paused, goes on or is given up; knows nothing of how answers are made.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from greenroom.agent.events import AgentTurnPausedEvent, AgentTurnResumedEvent
from greenroom.observability.process import FALSE_INTERRUPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.events import Event
    from greenroom.agent.playout import Playout
    from greenroom_core.clock import Clock, Timer

logger = logging.getLogger("greenroom.agent")

WORDS_WITHIN_SECONDS = 2.0
"""After the end of the sound. A recogniser that says nothing until then is taken to have heard none."""


class Interruption:
    """Between :meth:`begin` and one of the others the answer is held back."""

    def __init__(self, name: str, playout: Playout, emit: Callable[[Event], None], clock: Clock) -> None:
        self._name = name
        self._playout = playout
        self._emit = emit
        self._clock = clock
        self._open = False
        self._audible = False
        self._timer: Timer | None = None

    @property
    def open(self) -> bool:
        return self._open

    def begin(self) -> None:
        """The user makes a sound while an answer is under way."""
        self._stop_waiting()
        if self._open:
            return
        self._open = True
        self._audible = self._playout.sounding
        self._playout.pause()
        if self._audible:
            self._emit(AgentTurnPausedEvent())

    def sound_over(self) -> None:
        """Its words, if it has any, are known soon."""
        if self._open:
            self._stop_waiting()
            self._timer = self._clock.later(WORDS_WITHIN_SECONDS, self.was_false)

    def was_false(self) -> None:
        """There were no words in it: the answer goes on."""
        if not self._open:
            return
        self.end()
        self._playout.resume()
        if self._audible:
            FALSE_INTERRUPTIONS.inc()
            logger.info("[%s] the user made a sound without words: the agent goes on", self._name)
            self._emit(AgentTurnResumedEvent())

    def end(self) -> None:
        """Whoever calls decides what becomes of the answer."""
        self._open = False
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
