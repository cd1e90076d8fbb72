"""One connection at work: the caller's sound out, what Deepgram says in.

Decides when it is of no more use, and leaves it to others to make another.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom.agent.turn_taking import HearingTrouble
from greenroom.plugins.deepgram.line import VENDOR, translated
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from greenroom.agent.turn_taking import Heard, Sound
    from greenroom.plugins.deepgram.classic import ClassicTurns
    from greenroom.plugins.deepgram.flux import FluxTurns
    from greenroom.plugins.deepgram.line import Line
    from greenroom.plugins.vendor import Key
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.deepgram")

KEEPALIVE_SECONDS = 4.0  # Deepgram hangs up after ten
STALLED_SECONDS = 10.0  # of sound within a turn without a word back


class Carried:
    """`send` and `receive` run side by side; each ends with an error only."""

    def __init__(
        self, line: Line, turns: FluxTurns | ClassicTurns, heard: Callable[[Heard], None], key: Key, clock: Clock
    ) -> None:
        self._clock = clock
        self._line = line
        self._turns = turns
        self._heard = heard
        self._key = key
        self._told_at_seconds = 0.0

    async def send(self, sound: Sound) -> None:
        while True:
            pcm = await sound.chunk(KEEPALIVE_SECONDS)
            await self._translated(self._line.send(pcm) if pcm else self._line.keep_alive())
            if self._turns.open and self._line.sent.seconds - self._told_at_seconds > STALLED_SECONDS:
                raise VendorError(f"{VENDOR} said nothing about {STALLED_SECONDS:g} s of speech", retryable=True)

    async def receive(self) -> None:
        await self._translated(self._receive())
        raise VendorError(f"{VENDOR} hung up", retryable=True)

    async def _receive(self) -> None:
        async for message in self._line.messages():
            self._told_at_seconds = self._line.sent.seconds
            for said in self._read(message):
                self._heard(said)

    def _read(self, message: Any) -> list[Heard]:
        if getattr(message, "type", None) == "Warning":
            logger.warning("%s warns: %s", VENDOR, getattr(message, "description", ""))
        try:
            return self._turns.read(message, self._line.sent, self._clock.boot())
        except (AttributeError, TypeError, ValueError) as error:  # the SDK takes messages of any shape
            what = f"{VENDOR} sent something that cannot be read: {type(error).__name__}: {error}"
            return [HearingTrouble(VendorError(what, retryable=True))]

    async def _translated(self, step: Awaitable[None]) -> None:
        failure: VendorError | None
        try:
            return await step
        except Exception as error:
            failure = translated(error, self._key)
            if failure is None:
                raise
        raise failure
