"""A video file in place of what the call shows, in real time and over and over: for trying an agent out.

PyAV, which reads it, comes with the extra `webrtc` and is imported in a thread when the film begins.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenroom.agent.cancellation import outlast
from greenroom.agent.imaging import Decoded
from greenroom.agent.participants import Participant
from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

FRAME_SECONDS = 1 / 15


class Film:
    """The pictures of one file, without its sound. Raises :class:`ValueError` if there is no such file and
    :class:`ModuleNotFoundError` without PyAV."""

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise ValueError(f"video file {path!r}: there is no such file")
        if find_spec("av") is None:
            raise ModuleNotFoundError(
                f"video file {path!r}: reading it needs the package 'av': pip install 'greenroom[webrtc]'", name="av"
            )
        self._path = path
        self.participant = Participant("video-file", Path(path).name)

    async def play(self, show: Callable[[Participant, VideoFrame], None], clock: Clock) -> None:
        """Show it until cancelled. Raises :class:`ValueError` if there are no pictures in the file."""
        while True:
            await self._play_once(show, clock)

    async def _play_once(self, show: Callable[[Participant, VideoFrame], None], clock: Clock) -> None:
        reel = _Reel(self._path)
        try:
            began_at = clock.boot()
            while (frame := await _in_thread(reel.frame_at, clock.boot() - began_at)) is not None:
                await clock.sleep(max(0.0, began_at + reel.seconds_in - clock.boot()))
                show(self.participant, VideoFrame(frame.width, frame.height, clock.boot(), Decoded(frame)))
                await clock.sleep(FRAME_SECONDS)
        finally:
            await _in_thread(reel.close)


class _Reel:
    """The file, opened. Blocks, and is for one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._container: Any = None
        self._frames: Any = None
        self._count = 0
        self._first_at: float | None = None
        self.seconds_in = 0.0
        """Where in the film the last frame stands."""

    def frame_at(self, seconds: float) -> Any:
        """The first frame that does not stand before `seconds`, those before it left out; None at the end."""
        av = import_module("av")
        try:
            if self._container is None:
                self._container = av.open(self._path)
                self._frames = self._container.decode(video=0)
            for frame in self._frames:
                at = self._count * FRAME_SECONDS if frame.time is None else frame.time  # a stream without times
                self._count += 1
                self._first_at = at if self._first_at is None else self._first_at
                self.seconds_in = at - self._first_at
                if self.seconds_in >= seconds:
                    return frame
        except (av.error.FFmpegError, IndexError) as error:
            raise ValueError(f"video file {self._path!r} cannot be read: {error}") from None
        if self._first_at is None:
            raise ValueError(f"video file {self._path!r} has no pictures")
        return None

    def close(self) -> None:
        if self._container is not None:
            self._container.close()


async def _in_thread(work: Callable[..., Any], *given: Any) -> Any:
    """A cancelled caller waits for the thread: two must not have the reel."""
    return await outlast(asyncio.ensure_future(asyncio.to_thread(work, *given)))
