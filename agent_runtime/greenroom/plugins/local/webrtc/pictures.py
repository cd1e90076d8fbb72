"""The browser's video on its way to the agent. A frame is kept as it was decoded, and becomes pixels when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiortc.mediastreams import MediaStreamError

from greenroom.agent.imaging import Decoded
from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock


async def watch(track: Any, see: Callable[[VideoFrame], None], clock: Clock) -> None:
    """Give `see` every frame of `track` until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        see(VideoFrame(frame.width, frame.height, clock.boot(), Decoded(frame)))
