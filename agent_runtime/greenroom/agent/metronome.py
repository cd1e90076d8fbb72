"""One beat every 20 ms for all agents of an event loop that speak: they wake the process together.

A process that sleeps costs several times as much to wake as a frame to send; with a timer for each agent that would be
most of what speaking costs.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from greenroom.agent.audio import FRAME_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock, Timer


class Metronome:
    """Beats while somebody waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Callable[[], None], None] = {}
        self._called: dict[Callable[[], None], None] = {}
        self._at = clock.boot()
        self._timer: Timer | None = None

    def wait(self, act: Callable[[], None]) -> None:
        """Call `act`, which raises nothing, at the next beat, once: at most 20 ms from now."""
        self._waiting[act] = None
        if self._timer is None:
            self._set()

    def forget(self, act: Callable[[], None]) -> None:
        """Do not call `act` after all."""
        self._waiting.pop(act, None)
        self._called.pop(act, None)

    def _beat(self) -> None:
        self._timer = None
        self._called, self._waiting = self._waiting, {}
        while self._called:
            act = next(iter(self._called))
            del self._called[act]
            act()
        if self._waiting and self._timer is None:
            self._set()

    def _set(self) -> None:
        now = self._clock.boot()
        self._at += FRAME_SECONDS * max(1, math.ceil((now - self._at) / FRAME_SECONDS))
        self._timer = self._clock.later(max(0.0, self._at - now), self._beat)


_metronomes: WeakKeyDictionary[asyncio.AbstractEventLoop, Metronome] = WeakKeyDictionary()


def metronome(clock: Clock) -> Metronome:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _metronomes.get(loop)
    if found is None:
        found = _metronomes[loop] = Metronome(clock)
    return found
