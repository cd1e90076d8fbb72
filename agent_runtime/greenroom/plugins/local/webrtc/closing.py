"""aiortc's connection, with an end that leaves nothing behind.

aiortc connects in a task that nobody keeps, and aioice begins to ask for consent, for ever, when a connection is closed
in the moment in which it is made. So that task is kept here, and is over before the connection is closed.
"""

from __future__ import annotations

import asyncio
import logging

from aiortc import RTCPeerConnection

logger = logging.getLogger("greenroom.local.webrtc")


class PeerConnection(RTCPeerConnection):  # type: ignore[misc] # the library's types are not read
    """Closes at any moment."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._connecting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Give everything back, also in the middle of connecting."""
        if connecting := [task for task in self._connecting if not task.done()]:
            for transceiver in self.getTransceivers():
                await transceiver.receiver.transport.transport.stop()
            await asyncio.wait(connecting)
        await super().close()

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802 - what the library calls `self.__connect`
        self._connecting.add(asyncio.current_task())  # type: ignore[arg-type] # it is run as a task
        try:
            await super()._RTCPeerConnection__connect()
        except Exception as error:  # nobody else would see it; who waits for a connection sees none
            logger.info("no connection to the browser: %s: %s", type(error).__name__, error)
