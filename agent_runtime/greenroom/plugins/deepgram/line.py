"""One connection to Deepgram: opened within a limit, used, closed within another. Whatever goes wrong on it is a
:class:`VendorError`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from greenroom.agent.audio import seconds_of, silence
from greenroom.plugins.deepgram.words import SentSound
from greenroom.plugins.vendor import VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.plugins.deepgram.options import Options
    from greenroom.plugins.vendor import Key
    from greenroom_core.clock import Clock

VENDOR = "Deepgram"
WAY_OUT = "check DEEPGRAM_API_KEY or api_key="
DIAL_SECONDS = 5.0
SEND_SECONDS = 5.0
FAREWELL_SECONDS = 0.5
KEEPALIVE_SILENCE_SECONDS = 0.08


class Line:
    """An open connection, and the sound that went out on it."""

    def __init__(self, connecting: Any, socket: Any, flux: bool, clock: Clock) -> None:
        self._connecting = connecting
        self._socket = socket
        self._flux = flux
        self._clock = clock
        self._closing: asyncio.Task[Any] | None = None
        self.opened_at = clock.boot()
        self.sent = SentSound()

    @classmethod
    async def dial(cls, sdk: Any, options: Options, key: Key, clock: Clock) -> Line:
        """A new connection. Raises :class:`VendorError`."""
        listen = sdk.listen.v2 if options.flux else sdk.listen.v1
        connecting = listen.connect(**options.parameters())
        failure: VendorError | None
        try:
            async with clock.timeout(DIAL_SECONDS):
                return cls(connecting, await connecting.__aenter__(), options.flux, clock)
        except TimeoutError:
            failure = VendorError(f"{VENDOR} did not answer within {DIAL_SECONDS:g} s", retryable=True)
        except Exception as error:
            failure = translated(error, key)
            if failure is None:
                raise
        raise failure  # outside, so that no SDK's error, which holds the request's headers, is its context

    async def send(self, pcm: bytes) -> None:
        try:
            async with self._clock.timeout(SEND_SECONDS):
                await self._socket.send_media(pcm)
        except TimeoutError:
            raise VendorError(f"{VENDOR} takes no more sound", retryable=True) from None
        self.sent.add(seconds_of(pcm), self._clock.boot())

    async def keep_alive(self) -> None:
        """Say that somebody is there: v1 has a word for it, v2 wants to hear something."""
        if self._flux:
            await self.send(silence(KEEPALIVE_SILENCE_SECONDS))
        else:
            await self._socket.send_keep_alive()

    async def configure(self, message: dict[str, Any]) -> None:
        """Tell v2 to listen otherwise. A connection that breaks meanwhile is found by those who use it."""
        with suppress(Exception):
            async with self._clock.timeout(SEND_SECONDS):
                await self._socket.send_configure(message)

    def messages(self) -> AsyncIterator[Any]:
        """What comes, until the other side closes; the SDK skips what is no JSON."""
        messages: AsyncIterator[Any] = self._socket.__aiter__()
        return messages

    async def close(self) -> None:
        """Take leave, and hang up on a server that does not answer to that. Any number of times."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="deepgram-close")
        closing = self._closing
        with suppress(TimeoutError):
            async with self._clock.timeout(2 * FAREWELL_SECONDS):
                await asyncio.wait((closing,))
        if not closing.done():
            self._hang_up()
            await asyncio.wait((closing,))

    async def _close(self) -> None:
        with suppress(Exception):
            async with self._clock.timeout(FAREWELL_SECONDS):
                await self._socket.send_close_stream()
        with suppress(Exception):
            await self._connecting.__aexit__(None, None, None)

    def _hang_up(self) -> None:
        transport = getattr(getattr(self._socket, "_websocket", None), "transport", None)
        if transport is not None:
            transport.abort()


def translated(error: Exception, key: Key) -> VendorError | None:
    """What an `error` of the SDK or of its websocket means; None for an error of ours."""
    if isinstance(error, VendorError):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        body = getattr(error, "body", "")
        return VendorError.of_status(VENDOR, status, key.hidden_in(str(body or "")), WAY_OUT)
    if isinstance(error, OSError | EOFError) or type(error).__module__.startswith("websockets"):
        return VendorError.of_connection(VENDOR, error)
    return None
