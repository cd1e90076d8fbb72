"""The agent's sound on its way to the browser, as a track of packets that are Opus already.

aiortc sends such packets as they are, without its encoder and its thread. They go out on the beat that all agents of
the process share; in silence, after a short tail of it, nothing is sent and nothing runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet

from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS
from greenroom.agent.metronome import metronome
from greenroom.plugins.local.webrtc.opus import Encoder

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

RTP_RATE = 48_000  # the clock of Opus in RTP, whatever is encoded
CAPACITY_FRAMES = 10
LEAD_SECONDS = FRAME_SECONDS  # what is due before the next beat goes now; what waits here can still be taken back
LATE_SECONDS = 0.1
ROUNDING_SECONDS = 0.0005  # a wait of less is over
OPENING_FRAMES = 10  # of silence, which a browser's buffer settles on; it would stretch the first words
TAIL_FRAMES = 5  # of silence after speech, so that the browser hears an end and not a loss

_SILENCE = bytes(FRAME_BYTES)
_FRAME_STAMPS = round(FRAME_SECONDS * RTP_RATE)
_TIME_BASE = Fraction(1, RTP_RATE)


class Voice(MediaStreamTrack):  # type: ignore[misc] # the library's types are not read
    """Frames go in as the agent speaks them, packets come out as they are due."""

    kind = "audio"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._metronome = metronome(clock)
        self._encoder = Encoder()
        self._waiting: deque[bytes] = deque()
        self._released: deque[tuple[bytes, int]] = deque()
        self._release = asyncio.Event()
        self._begun = False
        self._silent_frames = OPENING_FRAMES
        self._due = 0.0
        self._stamp = 0
        self.dropped = 0

    def send(self, frame: bytes) -> None:
        """Say one frame. Before the browser is there nothing is said; when too many wait the oldest goes."""
        if not self._begun:
            return
        if len(self._waiting) == CAPACITY_FRAMES:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(frame)
        self._pump()

    def clear(self) -> None:
        """Be silent: what waits is not said."""
        self._waiting.clear()
        self._released.clear()

    async def recv(self) -> Packet:
        """The next packet, when it is due. The library asks for it, once the browser is connected."""
        if self.readyState != "live":
            raise MediaStreamError
        if not self._begun:
            self._begun, self._due = True, self._clock.boot()
            self._pump()
        while not self._released:
            self._release.clear()
            await self._release.wait()
        pcm, stamp = self._released.popleft()
        packet = Packet(self._encoder.encode(pcm))
        packet.pts, packet.time_base = stamp, _TIME_BASE
        return packet

    def stop(self) -> None:
        self._metronome.forget(self._pump)
        self._begun = False
        super().stop()

    # --- inside ---

    def _pump(self) -> None:
        """Let out what is due, at every beat while there is anything."""
        now = self._clock.boot()
        self._catch_up(now)
        while self._waiting and self._due - now <= LEAD_SECONDS + ROUNDING_SECONDS:
            self._let_out(self._waiting.popleft())
            self._silent_frames = TAIL_FRAMES
        if not self._waiting and self._silent_frames and self._due - now <= ROUNDING_SECONDS:
            self._let_out(_SILENCE)
            self._silent_frames -= 1
        if self._waiting or self._silent_frames:
            self._metronome.wait(self._pump)

    def _catch_up(self, now: float) -> None:
        """After a silence, or when this process was held up, time has gone on without packets."""
        behind = now - self._due
        if behind > LATE_SECONDS:
            self._due = now
            self._stamp += round(behind * RTP_RATE)

    def _let_out(self, pcm: bytes) -> None:
        self._released.append((pcm, self._stamp))
        self._release.set()
        self._stamp += _FRAME_STAMPS
        self._due += FRAME_SECONDS
