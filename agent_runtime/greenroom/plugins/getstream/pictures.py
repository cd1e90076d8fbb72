"""Pictures from the SDK's tracks, in the agent's form of them (`greenroom.agent.video`). Knows no call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import getstream_rtc

from greenroom.agent.imaging import I420
from greenroom.agent.video import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.getstream")

FRAME_SECONDS = 1 / 15  # each picture that is read is a copy; nobody who looks wants more


def cameras(size: tuple[int, int]) -> getstream_rtc.SubscriptionConfig:
    """All cameras of a call, in the quality that is nearest to `size`. Sound comes without being asked for."""
    video = getstream_rtc.TrackSubscriptionConfig([getstream_rtc.TrackType.VIDEO], size)
    return getstream_rtc.SubscriptionConfig(video)


async def watch(track: getstream_rtc.RemoteTrack, see: Callable[[VideoFrame], None], clock: Clock) -> None:
    """Give `see` the pictures of `track` until the track ends; those between are skipped by the SDK."""
    frames = track.video_frames()
    del track  # the stream keeps it
    try:
        async for frame in frames:
            see(VideoFrame(frame.width, frame.height, clock.boot(), I420(frame.width, frame.height, frame.data.data)))
            await clock.sleep(FRAME_SECONDS)
    except getstream_rtc.RtcError as error:
        logger.warning("a participant cannot be seen any more: %s", error)
