"""Sound between the SDK's tracks and the agent's form of it (`greenroom.agent.audio`). Knows no call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import getstream_rtc
import numpy as np

from greenroom.agent.audio import FRAME_SECONDS, SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

logger = logging.getLogger("greenroom.getstream")

QUEUE_SECONDS = 0.5  # the agent is 40 ms ahead: more is waiting only while the network is away


class Speech:
    """What the agent says, on its way into a published track."""

    def __init__(self) -> None:
        self.track = getstream_rtc.LocalAudioTrack(pcm_queue_capacity=QUEUE_SECONDS)
        self.dropped_seconds = 0.0
        self._frames: deque[bytes] = deque()
        self._put = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Take one frame of the agent; the oldest goes when too many wait."""
        if len(self._frames) * FRAME_SECONDS >= QUEUE_SECONDS:
            self._frames.popleft()
            self.dropped_seconds += FRAME_SECONDS
        self._frames.append(frame)
        self._put.set()

    def clear(self) -> None:
        """Be silent: nothing that waits is played."""
        self._frames.clear()
        self.track.flush()

    async def run(self) -> None:
        """Write frame after frame until cancelled, or until the SDK has stopped the track."""
        while True:
            await self._put.wait()
            self._put.clear()
            while self._frames:
                samples = np.frombuffer(self._frames.popleft(), dtype="<i2")
                try:
                    await self.track.write_pcm(samples, SAMPLE_RATE, 1)
                except getstream_rtc.PcmQueueOverflowError as overflow:
                    self.dropped_seconds += overflow.dropped_samples / SAMPLE_RATE
                except getstream_rtc.IllegalStateError:
                    return


async def listen(track: getstream_rtc.RemoteTrack, hear: Callable[[bytes], None]) -> None:
    """Give `hear` the sound of `track` until the track ends."""
    resampler = getstream_rtc.StreamResampler(SAMPLE_RATE, 1)
    rate = 0
    try:
        while (frame := await track.next_pcm()) is not None:
            if frame.sample_rate != rate:
                rate, resampler = frame.sample_rate, getstream_rtc.StreamResampler(SAMPLE_RATE, 1)
            hear(resampler.push(_mono(frame.samples, frame.channels), rate, 1).samples.tobytes())
    except getstream_rtc.RtcError as error:
        logger.warning("a participant cannot be heard any more: %s", error)


def _mono(samples: NDArray[np.int16], channels: int) -> NDArray[np.int16]:
    if channels == 1:
        return samples
    mixed: NDArray[np.int16] = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return mixed
