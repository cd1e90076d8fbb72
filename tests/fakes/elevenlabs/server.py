"""`POST /v1/text-to-speech/{voice}/stream`: raw sound in pieces of odd length, as a network cuts them."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from tests.fakes.vendor_server import Fault, VendorServer, faulty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PIECE_BYTES = 1501
SECONDS_PER_WORD = 0.15
RUBBISH = b"<html>not sound</html>"


def tone(text: str, rate: int) -> bytes:
    """Sound as long as `text` would take."""
    count = int(len(text.split()) * SECONDS_PER_WORD * rate)
    return array("h", (int(8000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(count))).tobytes()


@dataclass
class FakeElevenLabs(VendorServer):
    """Speaks with a tone, or with `voice` where the format is pcm_16000."""

    voice: Callable[[str], AsyncIterator[bytes]] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/text-to-speech/{voice}/stream", self._stream), web.head("/", _nothing)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        fault = self.next_fault()
        self.requests.append(request.path_qs)
        if request.headers.get("xi-api-key") != self.key:
            self.refused += 1
            return _refusal(401, "invalid_api_key", "Invalid API key")
        if fault.status is not None:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return _refusal(fault.status, "system_busy", "The system is busy", headers)
        body = await request.json()
        self.asked.append(body | {"voice": request.match_info["voice"], **request.query})
        if not str(body.get("text", "")).strip():
            return _refusal(400, "empty_text", "The text is empty")
        return await self._speak(request, body["text"], fault)

    async def _speak(self, request: web.Request, text: str, fault: Fault) -> web.StreamResponse:
        kind = "text/html" if fault.malformed else "audio/pcm"
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.enable_chunked_encoding()
        self.in_work += 1
        try:
            await response.prepare(request)
            pieces = self._pieces(text, request.query.get("output_format", "mp3_44100_128"))
            async for piece in faulty(pieces, fault, request, RUBBISH):
                await response.write(piece)
            await response.write_eof()
        finally:
            self.in_work -= 1
        return response

    async def _pieces(self, text: str, form: str) -> AsyncIterator[bytes]:
        rate = int(form.removeprefix("pcm_"))
        sounds = self.voice(text) if self.voice is not None and rate == 16000 else _one(tone(text, rate))
        async for sound in sounds:
            for start in range(0, len(sound), PIECE_BYTES):
                yield sound[start : start + PIECE_BYTES]


async def _one(sound: bytes) -> AsyncIterator[bytes]:
    yield sound


async def _nothing(_: web.Request) -> web.Response:
    return web.Response(status=404)


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"detail": {"status": code, "message": message}}, status=status, headers=headers)
