"""An agent's place in a room: its websocket, its two peer connections, what was heard of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from getstream.video.rtc.pb.stream.video.sfu.event import events_pb2 as events
from getstream.video.rtc.pb.stream.video.sfu.models import models_pb2 as models
from tests.fakes.stream.caller import Ear

if TYPE_CHECKING:
    from aiohttp import web
    from aiortc import MediaStreamTrack
    from tests.fakes.stream.caller import Caller

_AUDIO = models.PublishOption(
    id=1,
    track_type=models.TRACK_TYPE_AUDIO,
    bitrate=64_000,
    codec=models.Codec(
        name="opus", payload_type=111, clock_rate=48_000, encoding_parameters="2", fmtp="minptime=10;useinbandfec=1"
    ),
)


class Seat:
    """One session of an agent at the SFU."""

    def __init__(self, user_id: str, session_id: str, websocket: web.WebSocketResponse) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self.ear = Ear()
        self.wanted: set[str] = set()
        """Sessions of callers whose cameras the agent asked for."""
        self.watched: set[str] = set()
        """Those that it was sent."""
        self.publishing = asyncio.Event()
        self.left = asyncio.Event()
        self.reconnected = asyncio.Event()
        self._websocket = websocket
        self._subscriber = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._publishers: list[RTCPeerConnection] = []
        self._heard: set[Caller] = set()
        self._sending: list[MediaStreamTrack] = []
        self._negotiation = asyncio.Lock()
        self._answered = asyncio.Event()
        self._track_numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearing: set[asyncio.Task[None]] = set()

    # --- to the agent ---

    async def send(self, **event: Any) -> None:
        if not self._websocket.closed:
            await self._websocket.send_bytes(events.SfuEvent(**event).SerializeToString())

    async def welcome(self, participants: list[models.Participant], *, reconnected: bool) -> None:
        state = models.CallState(
            participants=participants, participant_count=models.ParticipantCount(total=len(participants))
        )
        answer = events.JoinResponse(
            call_state=state,
            reconnected=reconnected,
            fast_reconnect_deadline_seconds=10,
            publish_options=[_AUDIO],
        )
        await self.send(join_response=answer)

    def offer(self, callers: list[Caller]) -> None:
        """Offer the tracks of those that the agent does not hear yet, in the background."""
        task = asyncio.create_task(self._offer(callers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def negotiated(self) -> None:
        """The agent hears all who are in the call."""
        while self._tasks - self._hearing:
            await asyncio.wait(self._tasks - self._hearing)

    async def cut(self) -> None:
        """The line of the signals falls, without a goodbye; the media stay."""
        transport = self._websocket._req.transport if self._websocket._req is not None else None
        if transport is not None:
            transport.abort()

    def resume(self, websocket: web.WebSocketResponse) -> None:
        """The agent came back with the session it had."""
        self._websocket = websocket
        self.reconnected.set()

    # --- from the agent ---

    async def answered(self, sdp: str) -> None:
        await self._subscriber.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        self._answered.set()

    async def published(self, sdp: str) -> str:
        """The answer to the agent's offer."""
        publisher = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._publishers.append(publisher)

        @publisher.on("track")
        def hear(track: MediaStreamTrack) -> None:
            task = asyncio.create_task(self._hear(track))
            self._tasks.add(task)
            self._hearing.add(task)
            task.add_done_callback(self._tasks.discard)

        await publisher.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await publisher.setLocalDescription(await publisher.createAnswer())
        self.publishing.set()
        return publisher.localDescription.sdp

    async def close(self) -> None:
        self.left.set()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for track in self._sending:
            track.stop()
        for connection in (self._subscriber, *self._publishers):
            await connection.close()
            await _end_consent(connection)
        self.ear.close()
        await self._websocket.close()

    # --- inside ---

    async def _offer(self, callers: list[Caller]) -> None:
        async with self._negotiation:
            unheard = [caller for caller in callers if caller not in self._heard]
            unseen = [caller for caller in callers if caller.session_id in self.wanted - self.watched]
            if not unheard and not unseen:
                return
            for caller in unheard:
                self._add(caller.microphone(), f"{caller.lookup_prefix}:TRACK_TYPE_AUDIO")
                self._heard.add(caller)
            for caller in unseen:
                if caller.film is not None:
                    self._add(caller.camera(caller.film), f"{caller.lookup_prefix}:TRACK_TYPE_VIDEO")
                    self.watched.add(caller.session_id)
            await self._subscriber.setLocalDescription(await self._subscriber.createOffer())
            self._answered.clear()
            await self.send(subscriber_offer=events.SubscriberOffer(sdp=self._subscriber.localDescription.sdp))
            await self._answered.wait()

    def _add(self, track: MediaStreamTrack, owner: str) -> None:
        self._sending.append(track)
        # What the SDK knows the track's owner and kind by.
        self._subscriber.addTrack(track)._stream_id = f"{owner}:{next(self._track_numbers)}"

    async def _hear(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                self.ear.hear(await track.recv())
            except MediaStreamError:
                return


async def _end_consent(connection: RTCPeerConnection) -> None:
    """A connection that is closed while it is being made leaves a task of aioice behind."""
    for transport in connection._RTCPeerConnection__iceTransports:
        consent = transport._connection._query_consent_task
        if consent is not None and not consent.done():
            consent.cancel()
            await asyncio.wait((consent,))
