"""The data channel to the page: messages out, bounded and never waited for; a goodbye in."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from greenroom.plugins.local.webrtc.messages import is_goodbye

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("greenroom.local.webrtc")

LABEL = "greenroom"
WAITING_MESSAGES = 100  # until the channel is open
MAX_BUFFERED_BYTES = 256 * 1024


class Channel:
    """The one that the browser calls :data:`LABEL`; others are left alone."""

    def __init__(self, goodbye: Callable[[], None]) -> None:
        self._goodbye = goodbye
        self._waiting: deque[str] = deque()
        self._channel: Any = None
        self._empty = asyncio.Event()
        self.dropped = 0

    def take(self, channel: Any) -> None:
        """The browser has opened `channel`."""
        if channel.label != LABEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._hear)
        channel.on("bufferedamountlow", self._empty.set)
        while self._waiting:
            self.send(self._waiting.popleft())

    def send(self, message: str | None) -> None:
        """Give out `message`. None, which was too long to be one, and what there is no room for is dropped and counted;
        after the browser's end nobody is told."""
        if message is None or (self._channel is None and len(self._waiting) == WAITING_MESSAGES):
            self.dropped += 1
        elif self._channel is None:
            self._waiting.append(message)
        elif self._channel.readyState == "open":
            self._give_out(message)

    async def sent(self) -> None:
        """All messages are on their way; may never be, if the other side has gone."""
        if self._channel is not None and self._channel.readyState == "open" and self._channel.bufferedAmount:
            await self._empty.wait()

    def _give_out(self, message: str) -> None:
        if self._channel.bufferedAmount + len(message) > MAX_BUFFERED_BYTES:
            self.dropped += 1
            return
        self._empty.clear()
        self._channel.send(message)

    def _hear(self, message: object) -> None:
        if is_goodbye(message):
            self._goodbye()
