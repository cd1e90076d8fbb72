"""The other side of a call through `local.Edge`: what a page does, by aiortc. Sound is 16 kHz, 16-bit, mono."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiortc import RTCConfiguration, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, VideoStreamTrack
from tests.fakes.stream.caller import Ear, Microphone

from greenroom.plugins.local.webrtc.closing import PeerConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiortc import MediaStreamTrack


class Browser:
    """One page with one call. `await browser.offer()`, give the answer to `take`, speak, hear, read `messages`."""

    def __init__(self, *, video: bool = False) -> None:
        self.microphone = Microphone()
        self.ear = Ear()
        self.messages: list[dict[str, Any]] = []
        self._heard_before: list[int] = []
        self.connected = asyncio.Event()
        self.open = asyncio.Event()
        self.over = asyncio.Event()
        self._changed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self.peer = PeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.addTrack(self.microphone)
        if video:
            self.peer.addTrack(VideoStreamTrack())
        self.channel = self.peer.createDataChannel("greenroom")
        self.channel.on("message", self._read)
        self.channel.on("open", self.open.set)
        self.channel.on("close", self.over.set)
        self.peer.on("track", self._listen)
        self.peer.on("connectionstatechange", self._follow)

    async def offer(self) -> str:
        """Complete, with its candidates."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def say(self, pcm: bytes) -> None:
        """Returns when it has been said."""
        self.microphone.put(pcm)
        await self.microphone.spoken()

    async def told(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that fulfils `condition`."""
        while True:
            for message in self.messages:
                if condition(message):
                    return message
            self._changed.clear()
            await self._changed.wait()

    def heard_before(self, message: dict[str, Any]) -> int:
        """How many bytes the ear had heard when this very message came."""
        return next(heard for known, heard in zip(self.messages, self._heard_before, strict=True) if known is message)

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    async def hang_up(self) -> None:
        await self.peer.close()
        self._stop()

    async def vanish(self) -> None:
        """Go without a word, as a browser that was killed."""
        for protocol in self.peer.getSenders()[0].transport.transport._connection._protocols:
            protocol.transport.abort()
        await self.hang_up()

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Within the block nothing that it sends arrives."""
        transport = self.peer.getSenders()[0].transport.transport
        send = transport._send

        async def lose(data: bytes) -> None:
            pass

        transport._send = lose
        try:
            yield
        finally:
            transport._send = send

    # --- inside ---

    def _read(self, message: str) -> None:
        self.messages.append(json.loads(message))
        self._heard_before.append(len(self.ear.pcm))
        self._changed.set()

    def _listen(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._listening = asyncio.ensure_future(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                self.ear.hear(await track.recv())
        except MediaStreamError:
            pass

    def _follow(self) -> None:
        if self.peer.connectionState == "connected":
            self.connected.set()
        if self.peer.connectionState in ("closed", "failed"):
            self.over.set()

    def _stop(self) -> None:
        self.ear.close()
        if self._listening is not None:
            self._listening.cancel()
