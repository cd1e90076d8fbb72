"""The browser's video on its way to the agent. A frame is kept as it was decoded, and becomes pixels when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiortc.mediastreams import MediaStreamError

from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A frame of the decoder. Is a :class:`greenroom.agent.video.Picture`."""

    frame: Any

    def rgb(self, width: int, height: int) -> bytes:
        [plane] = self.frame.reformat(width, height, format="rgb24").planes
        pixels, row, wide = bytes(plane), 3 * width, plane.line_size
        return b"".join(pixels[start : start + row] for start in range(0, wide * height, wide))


async def watch(track: Any, see: Callable[[VideoFrame], None], clock: Clock) -> None:
    """Give `see` every frame of `track` until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        see(VideoFrame(frame.width, frame.height, clock.boot(), Decoded(frame)))
