"""The agent's sound on its way to the browser, as a track of packets that are Opus already.

aiortc sends such packets as they are, without its encoder and its thread. In silence nothing is sent, after a short
tail of it, and nothing runs.
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
from greenroom.plugins.local.webrtc.opus import Encoder

if TYPE_CHECKING:
    from greenroom_core.clock import Clock

RTP_RATE = 48_000  # the clock of Opus in RTP, whatever is encoded
CAPACITY_FRAMES = 10
LEAD_SECONDS = 0.01  # sent before it is due; what waits here can still be taken back
LATE_SECONDS = 0.1
ROUNDING_SECONDS = 0.0005  # a wait of less is over
OPENING_FRAMES = 10  # of silence, which a browser's buffer settles on; it would stretch the first words
TAIL_FRAMES = 5  # of silence after speech, so that the browser hears an end and not a loss

_SILENCE = bytes(FRAME_BYTES)
_TIME_BASE = Fraction(1, RTP_RATE)


class Voice(MediaStreamTrack):  # type: ignore[misc] # the library's types are not read
    """Frames go in as the agent speaks them, packets come out as they are due."""

    kind = "audio"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._encoder = Encoder()
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._wanted = False
        self._silent_frames = OPENING_FRAMES
        self._due = 0.0
        self._timestamp = 0
        self.dropped = 0

    def send(self, frame: bytes) -> None:
        """Say one frame. Before the browser is there nothing is said; when too many wait the oldest goes."""
        if not self._wanted:
            return
        if len(self._frames) == CAPACITY_FRAMES:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._arrived.set()

    def clear(self) -> None:
        """Be silent: what waits is not said."""
        self._frames.clear()

    async def recv(self) -> Packet:
        """The next packet, when it is due. The library asks for it, once the browser is connected."""
        if self.readyState != "live":
            raise MediaStreamError
        if not self._wanted:
            self._wanted, self._due = True, self._clock.boot()
        frame = await self._next()
        packet = self._encoded(frame)
        self._timestamp += int(FRAME_SECONDS * RTP_RATE)
        self._due += FRAME_SECONDS
        return packet

    async def _next(self) -> bytes:
        while True:
            if not self._frames and not await self._something_to_say():
                self._silent_frames -= 1
                return _SILENCE
            self._catch_up()
            ahead = self._due - LEAD_SECONDS - self._clock.boot()
            if ahead > ROUNDING_SECONDS:
                await self._clock.sleep(ahead)
            if self._frames:  # they may have been taken back meanwhile
                self._silent_frames = TAIL_FRAMES
                return self._frames.popleft()

    async def _something_to_say(self) -> bool:
        """Waits for a frame; False when one of the tail is due instead."""
        self._arrived.clear()
        try:
            async with self._clock.timeout(max(0.0, self._due - self._clock.boot()) if self._silent_frames else None):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def _catch_up(self) -> None:
        """After a silence, or when this process was held up, time has gone on without packets."""
        behind = self._clock.boot() - self._due
        if behind > LATE_SECONDS:
            self._due += behind
            self._timestamp += int(behind * RTP_RATE)

    def _encoded(self, pcm: bytes) -> Packet:
        packet = Packet(self._encoder.encode(pcm))
        packet.pts = self._timestamp
        packet.time_base = _TIME_BASE
        return packet
