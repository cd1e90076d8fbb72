"""The agent's place in a call with one browser."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom.agent import calls
from greenroom.agent.participants import Participant
from greenroom.plugins.local.webrtc import messages
from greenroom.plugins.local.webrtc.limits import NotConnectedError
from greenroom.plugins.local.webrtc.peer import Peer
from greenroom.plugins.local.webrtc.pictures import watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom.agent.calls import CallSink
    from greenroom.agent.events import Event
    from greenroom.plugins.local.webrtc.limits import Limits
    from greenroom.plugins.local.webrtc.servers import IceServers
    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.local.webrtc")

CALLER = Participant("caller", "Caller")


async def enter(
    offer: str, servers: IceServers, limits: Limits, session_id: str, sink: CallSink, clock: Clock
) -> Connection:
    """Answer the offer. Raises what :meth:`Peer.answer` raises."""
    peer = Peer(servers, partial(sink.audio_received, CALLER), video=sink.wants_video, clock=clock)
    try:
        sink.call_answered(await peer.answer(offer))
    except BaseException:
        await peer.close()
        raise
    return Connection(peer, limits, session_id, sink, clock)


class Connection(calls.Connection):
    """Reports the caller and their sound to the sink, plays the agent's, shows what happens."""

    def __init__(self, peer: Peer, limits: Limits, session_id: str, sink: CallSink, clock: Clock) -> None:
        self._peer = peer
        self._limits = limits
        self._id = session_id
        self._sink = sink
        self._clock = clock
        self._left = False

    async def run(self) -> None:
        """Until the browser hangs up or is gone. Raises :class:`NotConnectedError` if it never came."""
        await self._connected()
        self._sink.participant_joined(CALLER)
        watching = asyncio.create_task(self._watch(), name=f"{self._id}-video")
        try:
            await self._over()
        finally:
            watching.cancel()
            await asyncio.wait((watching,))
        self._sink.participant_left(CALLER)

    def send_audio(self, frame: bytes) -> None:
        self._peer.voice.send(frame)

    def clear_audio(self) -> None:
        self._peer.voice.clear()

    def show(self, event: Event) -> None:
        self._tell(messages.of_event(event))

    async def send_custom_event(self, data: Mapping[str, Any]) -> None:
        """Raises :class:`ValueError` for data that is too long for a message."""
        message = messages.of_custom(data)
        if message is None:
            raise ValueError(f"custom data of more than {messages.MAX_MESSAGE_BYTES} bytes cannot be sent to a page")
        self._tell(message)

    async def leave(self) -> None:
        if self._left:
            return
        self._left = True
        await self._peer.close()
        lost, late, unseen = self._peer.ears.lost, self._peer.voice.dropped, self._peer.channel.dropped
        if lost or late or unseen:
            logger.info("[%s] %d packets of the caller were lost", self._id, lost)
            logger.info("[%s] %d frames and %d messages to the page dropped", self._id, late, unseen)

    # --- inside ---

    def _tell(self, message: str | None) -> None:
        if not self._peer.over.is_set():
            self._peer.channel.send(message)

    async def _connected(self) -> None:
        """Wait for the browser."""
        connected = asyncio.ensure_future(self._peer.connected.wait())
        over = asyncio.ensure_future(self._peer.over.wait())
        try:
            with suppress(TimeoutError):
                async with self._clock.timeout(self._limits.connect_seconds):
                    await asyncio.wait((connected, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            connected.cancel()
            over.cancel()
        if self._peer.connected.is_set():
            return
        if self._peer.over.is_set():
            raise NotConnectedError.at_all()
        raise NotConnectedError.within(self._limits.connect_seconds)

    async def _over(self) -> None:
        """Returns when the call is over, also if the browser goes without a word."""
        away = False
        while not self._peer.over.is_set():
            ears, silent_seconds = self._peer.ears, self._peer.ears.silent_seconds
            if silent_seconds >= self._limits.silence_seconds:
                logger.warning("[%s] nothing came from the browser for %.1f s: it is gone", self._id, silent_seconds)
                return
            if away != (ears.streaming and silent_seconds >= self._limits.away_seconds):
                away = not away
                (self._sink.connection_lost if away else self._sink.connection_restored)()
            with suppress(TimeoutError):
                async with self._clock.timeout(self._limits.next_look_seconds(silent_seconds)):
                    await self._peer.over.wait()

    async def _watch(self) -> None:
        if self._peer.video_track is not None:
            await watch(self._peer.video_track, partial(self._sink.video_received, CALLER), self._clock)
