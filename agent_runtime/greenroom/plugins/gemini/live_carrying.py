"""One live connection at work: what the call gives out, what Gemini says in.

Decides when it is of no more use, and leaves it to others to make another.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, assert_never

from greenroom.agent.realtime import (
    PictureGiven,
    RealtimeTrouble,
    ReplyCut,
    ResultGiven,
    SoundGiven,
    TextGiven,
)
from greenroom.plugins.gemini.client import VENDOR
from greenroom.plugins.gemini.live_errors import GoingAway, Unreadable
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.agent.realtime import Given, Offer, Said
    from greenroom.agent.tools import ToolResult
    from greenroom.agent.video import VideoFrame
    from greenroom.plugins.gemini.live import Live
    from greenroom.plugins.gemini.live_turns import LiveTurns
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.gemini")

PAUSE_SECONDS = 1.0  # without sound, before Gemini is told of it
LATE_RESULT = "The function {} that you wanted called before gave: {}"


class Carried:
    """`send`, `receive` and `watch` run side by side; each ends with an error only.

    `limits_seconds` are for the first of a reply to a text, and for each next piece of one.
    """

    def __init__(
        self,
        live: Live,
        turns: LiveTurns,
        said: Callable[[Said], None],
        limits_seconds: tuple[float, float],
        picture_side: int,
        clock: Clock,
    ) -> None:
        self._live = live
        self._turns = turns
        self._said = said
        self._first_seconds, self._next_seconds = limits_seconds
        self._picture_side = picture_side
        self._clock = clock
        self._sounding = False
        self._last_at = clock.boot()
        self._leave_at: float | None = None
        self._awaiting = asyncio.Event()
        self._text = ""
        self._results: list[str] = []

    @property
    def unanswered(self) -> str:
        """What was sent, if nothing has come of it, as a text to send again."""
        return self._text if self._turns.asked else " ".join(self._results)

    # --- out ---

    async def send(self, given: Given) -> None:
        while True:
            offer = await given.next(PAUSE_SECONDS if self._sounding else None)
            if offer is not None:
                await self._give(offer)
            elif self._sounding:
                self._sounding = False
                await self._live.sound_pauses()

    async def ask(self, text: str) -> None:
        """Have a reply to `text`."""
        self._text = text
        self._turns.asked = True
        self._progress()
        await self._live.text(text)

    async def _give(self, offer: Offer) -> None:
        match offer:
            case SoundGiven(pcm):
                self._sounding = True
                await self._live.sound(pcm)
            case TextGiven(text):
                await self.ask(text)
            case ResultGiven(result):
                await self._give_result(result)
            case PictureGiven(frame):
                await self._show(frame)
            case ReplyCut():
                """Gemini finds out itself."""
            case _:
                assert_never(offer)

    async def _show(self, frame: VideoFrame) -> None:
        try:
            jpeg = await frame.within(self._picture_side).jpeg()
        except Exception as error:
            self._said(RealtimeTrouble(error))
        else:
            await self._live.picture(jpeg)

    async def _give_result(self, result: ToolResult) -> None:
        call = result.call
        in_words = LATE_RESULT.format(call.name, result.output)
        if call.id not in self._turns.calls:  # another connection's: a session refuses what it did not ask for
            await self.ask(in_words)
            return
        self._results.append(in_words)
        self._turns.answered(call.id)
        self._progress()
        await self._live.result(result)

    # --- in ---

    async def receive(self) -> None:
        async for message in self._live.messages():
            if isinstance(message, Unreadable):
                self._said(RealtimeTrouble(message))
            else:
                for said in self._read(message):
                    self._said(said)
            self._go()

    def _read(self, message: Any) -> list[Said]:
        try:
            said = self._turns.read(message)
            if not self._turns.calls and not self._turns.due:
                self._results.clear()
        except (AttributeError, TypeError, ValueError) as error:  # the SDK takes messages of many shapes
            return [RealtimeTrouble(Unreadable(error))]
        self._progress()
        return said

    def _go(self) -> None:
        """Leave as soon as Gemini has said that it will, and nothing is under way."""
        if (seconds := self._turns.leave_seconds) is not None:
            if self._leave_at is None:
                logger.info("%s ends the connection in %g s: going on over another", VENDOR, seconds)
                self._leave_at = self._clock.boot() + seconds
                self._awaiting.set()
            if self._turns.quiet:
                raise GoingAway

    # --- time ---

    async def watch(self) -> None:
        """Raise what no message would."""
        while True:
            self._awaiting.clear()
            due_at = self._due_at()
            try:
                async with self._clock.timeout(None if due_at is None else max(0.0, due_at - self._clock.boot())):
                    await self._awaiting.wait()
            except TimeoutError:
                self._check()

    def _progress(self) -> None:
        """Something was sent that wants an answer, or came."""
        self._last_at = self._clock.boot()
        if self._patience_seconds() is not None:
            self._awaiting.set()

    def _patience_seconds(self) -> float | None:
        if self._turns.calls:
            return None  # Gemini waits for us
        if self._turns.due:
            return self._first_seconds
        return self._next_seconds if self._turns.replying else None

    def _due_at(self) -> float | None:
        patience = self._patience_seconds()
        times = (self._leave_at, None if patience is None else self._last_at + patience)
        return min((time for time in times if time is not None), default=None)

    def _check(self) -> None:
        now = self._clock.boot()
        if self._leave_at is not None and now >= self._leave_at:
            raise GoingAway
        patience = self._patience_seconds()
        if patience is not None and now >= self._last_at + patience:
            raise VendorError(f"{VENDOR} sent nothing for {patience:g} s", retryable=True)
