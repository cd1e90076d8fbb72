"""The agent's sound on its way out, at the pace of real time, and what of it was heard.

Sends at most :data:`LEAD_SECONDS` ahead, so that a stop is a stop. Knows nothing of models and calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from greenroom.agent.audio import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_SECONDS, SAMPLE_RATE
from greenroom.agent.metronome import metronome
from greenroom.observability.process import LATE_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

LEAD_SECONDS = 0.04
LEAD_FRAMES = round(LEAD_SECONDS / FRAME_SECONDS) + 1  # the one that is being heard as well
LATE_SECONDS = 0.1
ROUNDING_SECONDS = 0.0005  # a wait of less is over
CAPACITY_BYTES = 20 * SAMPLE_RATE * BYTES_PER_SAMPLE


@dataclass(slots=True)
class Spoken:
    """One sentence: its sound as far as it is made and as far as it went out, in bytes."""

    text: str
    made: int = 0
    played: int = 0
    complete: bool = False

    def heard(self) -> str:
        """The words that went out. While the sound is still being made its length is not known: the
        fraction is then of what is made so far, which says rather too much than too little."""
        if self.played >= self.made:
            return self.text if self.complete and self.made else ""
        words = self.text.split()
        return " ".join(words[: int(len(words) * self.played / self.made)])


@dataclass(slots=True)
class Speech:
    """One answer as it is spoken."""

    sentences: list[Spoken] = field(default_factory=list)
    first_sound_at: float | None = None
    on_first_sound: Callable[[], None] | None = None

    def heard(self) -> str:
        return " ".join(filter(None, (sentence.heard() for sentence in self.sentences)))


class _Piece(NamedTuple):
    """Sound of one sentence of one answer."""

    speech: Speech
    sentence: Spoken
    pcm: memoryview


class Playout:
    """Plays one piece after the other. A first frame leaves within :meth:`put`, the others at the metronome's beat."""

    def __init__(self, clock: Clock, send: Callable[[bytes], None], clear: Callable[[], None]) -> None:
        self._clock = clock
        self._send = send
        self._clear = clear
        self._queue: deque[_Piece] = deque()
        self._queued_bytes = 0
        self._sent: deque[list[_Piece]] = deque(maxlen=LEAD_FRAMES)
        self._changed = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._metronome = metronome(clock)
        self._waits = False
        self._due = 0.0
        self._flowing = False
        self._all_there = False
        self._paused = False

    @property
    def sounding(self) -> bool:
        """Something is being heard, or about to be."""
        return not self._paused and (bool(self._queue) or self._due > self._clock.boot())

    async def run(self) -> None:
        """Until cancelled. Raises what sending raised."""
        try:
            await self._broken
        finally:
            self._halt()

    async def put(self, speech: Speech, sentence: Spoken, pcm: bytes) -> None:
        """Queue sound; waits while more than :data:`CAPACITY_BYTES` are queued. What does not fill a frame waits for
        what comes next, or for :meth:`drained`."""
        while self._full():
            await self._change()
        if pcm:
            sentence.made += len(pcm)
            self._queue.append(_Piece(speech, sentence, memoryview(pcm)))
            self._queued_bytes += len(pcm)
            self._all_there = False
            self._go_on()

    async def drained(self) -> None:
        """Everything queued has been heard; a pause makes it take longer."""
        self._all_there = True
        self._go_on()
        while self._queue or self._due > self._clock.boot():
            if self._queue:
                await self._change()
            else:  # a pause meanwhile takes back what was sent
                await self._clock.sleep(self._due - self._clock.boot())

    def pause(self) -> None:
        """Be silent now; :meth:`resume` goes on with the very frame that was cut off."""
        if not self._paused:
            self._paused = True
            self._halt()
            self._take_back()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._go_on()

    def stop(self) -> None:
        """Be silent now; what was queued is dropped, and what nobody heard does not count as played."""
        self._halt()
        self._take_back()
        self._queue.clear()
        self._queued_bytes = 0
        self._paused = False
        self._changed.set()

    # --- sending ---

    def _go_on(self) -> None:
        if not self._waits and not self._paused:
            self._pump()

    def _pump(self) -> None:
        """Send what may go out now, and come again when more may."""
        self._waits = False
        try:
            while self._whole_frame():
                now = self._clock.boot()
                self._catch_up(now)
                ahead = self._due - now
                if ahead > LEAD_SECONDS + ROUNDING_SECONDS:
                    self._waits = True
                    self._metronome.wait(self._pump)
                    return
                self._send_frame(now)
            self._flowing = False
        except Exception as error:
            if not self._broken.done():
                self._broken.set_exception(error)

    def _whole_frame(self) -> bool:
        return self._queued_bytes >= FRAME_BYTES or (self._all_there and bool(self._queue))

    def _catch_up(self, now: float) -> None:
        behind = now - self._due
        if behind <= 0:
            return
        if self._flowing:
            LATE_FRAMES.inc()
        if behind > LATE_SECONDS or not self._flowing:
            self._due = now  # after a silence, or very late: never a burst

    def _send_frame(self, now: float) -> None:
        was_full = self._full()
        pieces = [self._next(FRAME_BYTES, now)]
        size = len(pieces[0].pcm)
        while size < FRAME_BYTES and self._queue:
            pieces.append(self._next(FRAME_BYTES - size, now))
            size += len(pieces[-1].pcm)
        self._send(b"".join(piece.pcm for piece in pieces).ljust(FRAME_BYTES, b"\0"))
        self._sent.append(pieces)
        self._due += FRAME_SECONDS
        self._flowing = True
        if not self._queue or (was_full and not self._full()):
            self._changed.set()

    def _next(self, size: int, now: float) -> _Piece:
        piece = self._queue[0]
        speech, sentence, pcm = piece
        if speech.first_sound_at is None:
            speech.first_sound_at = now
            if speech.on_first_sound is not None:
                speech.on_first_sound()
        if len(pcm) > size:
            self._queue[0] = _Piece(speech, sentence, pcm[size:])
            piece = _Piece(speech, sentence, pcm[:size])
        else:
            self._queue.popleft()
        sentence.played += len(piece.pcm)
        self._queued_bytes -= len(piece.pcm)
        return piece

    # --- falling silent ---

    def _halt(self) -> None:
        self._waits = False
        self._metronome.forget(self._pump)
        self._flowing = False

    def _take_back(self) -> None:
        """Frames that went out ahead and that nobody has heard yet are queued again."""
        self._clear()
        unheard = int((self._due - self._clock.boot() + ROUNDING_SECONDS) / FRAME_SECONDS)
        for _ in range(min(max(0, unheard), len(self._sent))):
            for piece in reversed(self._sent.pop()):
                piece.sentence.played -= len(piece.pcm)
                self._queued_bytes += len(piece.pcm)
                self._queue.appendleft(piece)
        self._sent.clear()
        self._due = min(self._due, self._clock.boot())

    def _full(self) -> bool:
        return self._queued_bytes > CAPACITY_BYTES

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
