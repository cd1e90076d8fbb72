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
        self._waiting: deque[str] = deque(maxlen=WAITING_MESSAGES)
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
        """Give out `message`; None and what there is no room for is counted and gone."""
        channel = self._channel
        if message is not None and channel is None:
            self.dropped += len(self._waiting) == WAITING_MESSAGES
            self._waiting.append(message)
        elif message is None or channel.readyState != "open" or self._full(len(message)):
            self.dropped += 1
        else:
            self._empty.clear()
            channel.send(message)

    async def sent(self) -> None:
        """All messages are on their way; may never be, if the other side has gone."""
        if self._channel is not None and self._channel.readyState == "open" and self._channel.bufferedAmount:
            await self._empty.wait()

    def _full(self, more: int) -> bool:
        return bool(self._channel.bufferedAmount + more > MAX_BUFFERED_BYTES)

    def _hear(self, message: object) -> None:
        if is_goodbye(message):
            self._goodbye()
