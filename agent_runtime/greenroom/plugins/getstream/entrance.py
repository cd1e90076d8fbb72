"""How a call is entered: the SDK's own retries, ours, and one time limit over all of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import getstream_rtc

from greenroom.agent.cancellation import outlast
from greenroom.plugins.getstream.errors import StreamError
from greenroom.plugins.getstream.pictures import cameras
from greenroom.plugins.getstream.sound import Speech

if TYPE_CHECKING:
    from greenroom.agent.calls import Call
    from greenroom.plugins.getstream.keys import Keys
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.getstream")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
# A call that is left while its peer connections are being made does not give their sockets back (getstream-rtc 0.1.0),
# and the SDK does not tell when they are made.
SETTLE_SECONDS = 1.0


@dataclass(slots=True)
class Place:
    """A place in a call. The streams begin with the join, so that nothing of it is missed."""

    call: getstream_rtc.Call
    people: getstream_rtc.EventStream
    states: getstream_rtc.EventStream
    tracks: getstream_rtc.TrackStream
    speech: Speech
    entered_at: float | None = None

    async def leave(self, clock: Clock) -> None:
        """Be out of the call, also when entering it failed."""
        if self.entered_at is not None and self.call.calling_state != getstream_rtc.CallingState.LEFT:
            await clock.sleep(max(0.0, self.entered_at + SETTLE_SECONDS - clock.boot()))
        await self.call.leave()


async def enter(
    keys: Keys, call: Call, user_id: str, clock: Clock, timeout_seconds: float, video_size: tuple[int, int] | None
) -> Place:
    """Join `call`, publish the agent's sound and, with a `video_size`, ask for the cameras in the quality that is
    nearest to it. Raises :class:`StreamError` after `timeout_seconds`, or at once when a next try would not help."""
    _log_sdk()
    failure, pause = "no answer", FIRST_PAUSE_SECONDS
    try:
        async with clock.timeout(timeout_seconds):
            while True:
                try:
                    return await _try_to_enter(keys, call, user_id, clock, video_size)
                except getstream_rtc.RtcError as error:
                    failure = keys.without_secret(str(error))
                    if not _passes_by(error):
                        break
                logger.warning("could not join %s:%s: %s; trying again", call.type, call.id, failure)
                await clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except TimeoutError:
        failure = f"not within {timeout_seconds:g} s: {failure}"
    raise StreamError(f"could not join call {call.type}:{call.id} on Stream: {failure}")


async def _try_to_enter(
    keys: Keys, call: Call, user_id: str, clock: Clock, video_size: tuple[int, int] | None
) -> Place:
    # By the module's name: whoever wraps the client (a test) is asked.
    client = getstream_rtc.Client(keys.api_key, keys.api_secret, base_url=keys.base_url)
    joined = client.call(call.type, call.id)
    place = Place(joined, joined.sfu_events(), joined.client_events(), joined.tracks(), Speech())
    try:
        await joined.join(user_id, True)
        place.entered_at = clock.boot()
        await joined.publish_audio(place.speech.track)
        if video_size is not None:
            await joined.update_subscriptions(cameras(video_size))
    except BaseException:
        await outlast(asyncio.create_task(place.leave(clock)))
        raise
    return place


def _passes_by(error: getstream_rtc.RtcError) -> bool:
    """Whether the same join may succeed a moment later."""
    if isinstance(error, getstream_rtc.ApiError):
        return error.status_code == 429 or error.status_code >= 500
    return not isinstance(error, getstream_rtc.CoordinatorError | getstream_rtc.PermissionDeniedError)


def _log_sdk() -> None:
    """The SDK's warnings in our log, and the errors of the WebRTC library below it, whose warnings come with every
    good call. For the whole process; the same each time."""
    getstream_rtc.configure_logging(logging.getLogger("greenroom.getstream.sdk"), logging.WARNING, logging.ERROR)
