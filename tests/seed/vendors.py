"""All the vendors that the basic example names, as fakes on this machine, and what points an agent file at them."""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from tests.fakes.deepgram.server import FakeDeepgram
from tests.fakes.elevenlabs.server import FakeElevenLabs
from tests.fakes.gemini.server import FakeGemini
from tests.fakes.stream import FakeStream
from tests.fakes.vendor_server import KEY

if TYPE_CHECKING:
    from types import TracebackType

    from tests.fakes.vendor_server import VendorServer


class Vendors:
    """`hears` are the words of each turn of a caller, whatever sound it makes."""

    def __init__(self, *hears: str) -> None:
        self.stream = FakeStream()
        self.deepgram = FakeDeepgram(texts=deque(hears))
        self.elevenlabs = FakeElevenLabs()
        self.gemini = FakeGemini()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        servers: tuple[FakeStream | VendorServer, ...] = (self.stream, self.deepgram, self.elevenlabs, self.gemini)
        for server in servers:
            await self._opened.enter_async_context(server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @property
    def environment(self) -> dict[str, str]:
        """Keys and addresses, as a user's `.env` has them."""
        return {
            "STREAM_API_KEY": self.stream.credentials.api_key,
            "STREAM_API_SECRET": self.stream.credentials.api_secret,
            "STREAM_BASE_URL": self.stream.url,
            "FAKE_STREAM_SOCKET": self.stream.ws_url,
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_BASE_URL": self.deepgram.url,
            "ELEVENLABS_API_KEY": KEY,
            "ELEVENLABS_BASE_URL": self.elevenlabs.url,
            "GOOGLE_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": self.gemini.url,
        }
