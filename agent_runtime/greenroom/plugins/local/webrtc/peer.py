"""One connection to a browser through aiortc: made, answered, watched, given back.

Knows nothing of agents.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from greenroom.agent.cancellation import outlast
from greenroom.plugins.local.webrtc.channel import Channel
from greenroom.plugins.local.webrtc.closing import PeerConnection
from greenroom.plugins.local.webrtc.ears import Ears
from greenroom.plugins.local.webrtc.offers import OfferError, prepared, tuned
from greenroom.plugins.local.webrtc.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.plugins.local.webrtc.servers import IceServers
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.local.webrtc")

CLOSE_SECONDS = 3.0  # a TURN server that is gone is asked for half a minute
LAST_WORDS_SECONDS = 0.3


class Peer:
    """From an offer to having hung up. `connected` and `over` are set once each."""

    def __init__(self, servers: IceServers, hear: Callable[[bytes], None], *, video: bool, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._wants_video = video
        self.connected = asyncio.Event()
        self.over = asyncio.Event()
        self.voice = Voice(clock)
        self.ears = Ears(hear, clock)
        self.channel = Channel(self.over.set)
        self.video_track: Any = None
        self._connection = PeerConnection(_configuration(servers))
        self._connection.on("connectionstatechange", self._follow)
        self._connection.on("datachannel", self.channel.take)
        self._add_sound()

    async def answer(self, offer: str) -> str:
        """The answer to `offer`, with every address of ours that can be found (5 s at most for STUN and TURN).

        Raises :class:`OfferError` if the offer cannot be used, OSError if there is no address to answer with.
        """
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(prepared(offer), "offer"))
            self._choose_media()
            await self._gathered(await self._connection.createAnswer())
        except Exception as error:  # the library reads what came from outside, and says what is wrong in any way
            detail = " ".join(str(error).split())[:200]
            raise OfferError(f"the offer cannot be used: {type(error).__name__}: {detail}".rstrip(": ")) from None
        answer = str(self._connection.localDescription.sdp)
        self._check_addresses(answer)
        return tuned(answer)

    async def close(self) -> None:
        """Hang up, so that the browser knows at once, and give everything back. Once; goes on when cancelled."""
        await outlast(asyncio.ensure_future(self._close()))

    # --- inside ---

    def _add_sound(self) -> None:
        transceiver = self._connection.addTransceiver(self.voice, direction="sendrecv")
        opus = [one for one in RTCRtpReceiver.getCapabilities("audio").codecs if one.mimeType.lower() == "audio/opus"]
        transceiver.setCodecPreferences(opus)
        self.ears.stand_in_for(transceiver.receiver)
        self.ears.note_reports_to(transceiver.sender)

    def _choose_media(self) -> None:
        """The first sound both ways, the first video to us if somebody looks, and nothing else."""
        taken: set[str] = set()
        for transceiver in self._connection.getTransceivers():
            if transceiver.kind in taken or (transceiver.kind == "video" and not self._wants_video):
                transceiver.direction = "inactive"
            elif transceiver.kind == "video":
                self.video_track = transceiver.receiver.track
            taken.add(transceiver.kind)

    async def _gathered(self, description: RTCSessionDescription) -> None:
        """Cut in the middle, it would leave requests to servers behind: a cancelled caller waits for its end."""
        await outlast(asyncio.ensure_future(self._connection.setLocalDescription(description)))

    def _check_addresses(self, answer: str) -> None:
        if "a=candidate:" not in answer:
            raise OSError("this machine has no network address that a browser could reach, only the loopback")
        if self._servers.turn_url is not None and " typ relay" not in answer:
            logger.warning(
                "no address from %s: it does not answer, or refuses the name and credential", self._servers.turn_url
            )

    def _follow(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("failed", "closed"):
            self.over.set()

    async def _close(self) -> None:
        with suppress(TimeoutError):
            async with self._clock.timeout(LAST_WORDS_SECONDS):
                await self.channel.sent()
        try:
            async with self._clock.timeout(CLOSE_SECONDS):
                await self._connection.close()
        except TimeoutError:
            server = self._servers.turn_url or "something of the library's"
            logger.warning("the browser was told, but %s did not end within %g s", server, CLOSE_SECONDS)
        self.ears.close()
        self.voice.stop()


def _configuration(servers: IceServers) -> RTCConfiguration:
    listed = [RTCIceServer(servers.stun_url)] if servers.stun_url else []
    if servers.turn_url:
        listed.append(RTCIceServer(servers.turn_url, servers.username, servers.credential))
    # An empty list, since None would be a public server of somebody else's.
    return RTCConfiguration(iceServers=listed, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
