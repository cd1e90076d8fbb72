"""Silence of a speaker who sends nothing, as sound in real time for as long as it may end a turn.

After that nothing is sent and nothing runs: an agent takes no sound as silence. Knows nothing of packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenroom.agent.audio import silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock, Timer

STEP_SECONDS = 0.06
LONGEST_SECONDS = 2.0
SPEECH_PACKETS = 5  # in a row; in a long silence one comes now and then, to say that it goes on

_STEP = silence(STEP_SECONDS)


class Pauses:
    """Of one speaker."""

    def __init__(self, hear: Callable[[bytes], None], clock: Clock) -> None:
        self._hear = hear
        self._clock = clock
        self._timer: Timer | None = None
        self._left_seconds = LONGEST_SECONDS
        self._packets = 0

    def begin(self) -> None:
        """The speaker falls silent."""
        self._packets = 0
        if self._timer is None:
            self._wait()

    def end(self) -> None:
        """Sound has come."""
        self.stop()
        self._packets += 1
        if self._packets >= SPEECH_PACKETS:
            self._left_seconds = LONGEST_SECONDS

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._clock.later(STEP_SECONDS, self._step) if self._left_seconds > 0 else None

    def _step(self) -> None:
        self._left_seconds -= STEP_SECONDS
        self._hear(_STEP)
        self._wait()
