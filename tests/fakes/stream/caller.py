"""Somebody in a call of the fake: speaks and hears through real Opus, is seen through real VP8."""

from __future__ import annotations

import asyncio
import fractions
import time
from array import array
from typing import TYPE_CHECKING

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler, VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 320
FRAME_BYTES = 2 * FRAME_SAMPLES
FRAME_SECONDS = 0.02
AUDIBLE_PEAK = 300
CAMERA_SIZE = (320, 180)
CAMERA_FPS = 15
RED, GREEN = (81, 90, 240), (145, 54, 34)  # Y, U, V


class Microphone(MediaStreamTrack):
    """An endless track: what was put into it, then silence; 16 kHz, mono, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pcm = bytearray()
        self._started = 0.0
        self._frames = 0
        self._quiet = asyncio.Event()

    def put(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._quiet.clear()

    async def spoken(self) -> None:
        """All that was put in has been sent."""
        if self._pcm:
            await self._quiet.wait()

    def stop(self) -> None:
        super().stop()
        self._quiet.set()

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._started = self._started or time.monotonic()
        await asyncio.sleep(max(0.0, self._started + self._frames * FRAME_SECONDS - time.monotonic()))
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(bytes(self._pcm[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0"))
        del self._pcm[:FRAME_BYTES]
        if not self._pcm:
            self._quiet.set()
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._frames * FRAME_SAMPLES
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self._frames += 1
        return frame


class Camera(MediaStreamTrack):
    """An endless film of one colour (Y, U, V), which may change."""

    kind = "video"

    def __init__(self, colour: tuple[int, int, int]) -> None:
        super().__init__()
        self.colour = colour
        self.frames = 0
        self._started = 0.0

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._started = self._started or time.monotonic()
        await asyncio.sleep(max(0.0, self._started + self.frames / CAMERA_FPS - time.monotonic()))
        frame = VideoFrame(*CAMERA_SIZE, format="yuv420p")
        for plane, value in zip(frame.planes, self.colour, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = self.frames * 90_000 // CAMERA_FPS
        frame.time_base = fractions.Fraction(1, 90_000)
        self.frames += 1
        return frame


class Ear:
    """What came from one agent: 16 kHz, 16-bit, mono."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.last_sound_at = 0.0
        self._counted_bytes = 0
        self._audible_frames = 0
        self._resampler: AudioResampler | None = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Nothing more comes; what was heard stays."""
        self._resampler = None  # it has threads

    def hear(self, frame: AudioFrame) -> None:
        if self._resampler is None:
            return
        for resampled in self._resampler.resample(frame):
            piece = bytes(resampled.planes[0])[: 2 * resampled.samples]
            self.pcm += piece
            if peak(piece) >= AUDIBLE_PEAK:
                self.last_sound_at = time.monotonic()
        while len(self.pcm) - self._counted_bytes >= FRAME_BYTES:
            self._audible_frames += self._audible(self._counted_bytes)
            self._counted_bytes += FRAME_BYTES
        self._changed.set()

    @property
    def sound_seconds(self) -> float:
        """How much of it can be heard, counted in frames of 20 ms."""
        return FRAME_SECONDS * (self._audible_frames + self._audible(self._counted_bytes))

    def sound_seconds_after(self, position: int) -> float:
        """How much can be heard after the first `position` bytes."""
        return FRAME_SECONDS * sum(self._audible(start) for start in range(position, len(self.pcm), FRAME_BYTES))

    @property
    def quiet_seconds(self) -> float:
        """How long nothing could be heard, after the first sound; 0 before it."""
        return time.monotonic() - self.last_sound_at if self.last_sound_at else 0.0

    def sounds_after(self, position: int) -> bool:
        """Whether anything after the first `position` bytes can be heard."""
        return peak(bytes(self.pcm[position:])) >= AUDIBLE_PEAK

    def _audible(self, start: int) -> bool:
        return peak(bytes(self.pcm[start : start + FRAME_BYTES])) >= AUDIBLE_PEAK

    async def until(self, condition: Callable[[Ear], bool]) -> None:
        """What was heard fulfils `condition`, which is asked again with each frame."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()


class Caller:
    """One participant; a user may be in the call several times, with a session each."""

    def __init__(self, user_id: str, name: str, session_id: str) -> None:
        self.user_id = user_id
        self.name = name
        self.session_id = session_id
        self.lookup_prefix = f"prefix-{session_id}"
        self.film: tuple[int, int, int] | None = None
        """The colour (Y, U, V) that their camera shows; None: it is off."""
        self._microphones: list[Microphone] = []
        self._cameras: list[Camera] = []

    def __repr__(self) -> str:
        return f"Caller({self.user_id!r}, {self.session_id!r})"

    def microphone(self) -> Microphone:
        """A microphone for one more agent: each gets a track of its own."""
        microphone = Microphone()
        self._microphones.append(microphone)
        return microphone

    def camera(self, colour: tuple[int, int, int]) -> Camera:
        """A camera for one more agent."""
        camera = Camera(colour)
        self._cameras.append(camera)
        return camera

    def show(self, colour: tuple[int, int, int]) -> None:
        """From now on the camera shows `colour`; it was on when the caller came."""
        self.film = colour
        for camera in self._cameras:
            camera.colour = colour

    async def speak(self, pcm: bytes) -> None:
        """Say `pcm` (16 kHz, 16-bit, mono) to all agents in the call; returns when it has been said."""
        microphones = [microphone for microphone in self._microphones if microphone.readyState == "live"]
        for microphone in microphones:
            microphone.put(pcm)
        for microphone in microphones:
            await microphone.spoken()


def peak(pcm: bytes) -> int:
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    return max(max(samples), -min(samples)) if samples else 0
