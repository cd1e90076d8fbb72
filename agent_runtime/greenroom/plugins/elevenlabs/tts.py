"""Text to speech by ElevenLabs: one streaming request a sentence, sound passed on as it comes."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from greenroom.agent import interfaces
from greenroom.plugins.elevenlabs.client import CLIENTS, DEFAULT_URL, SDK, VENDOR, Account, Pool, translated
from greenroom.plugins.elevenlabs.sound import sample_rate
from greenroom.plugins.vendor import Service, VendorError, find_key
from greenroom.plugins.vendor.sound import Samples

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from greenroom.plugins.vendor import Backoff
    from greenroom_core.clock import Clock

DEFAULT_VOICE = "JBFqnCBsd6RMkjVDRZzb"
DEFAULT_MODEL = "eleven_flash_v2_5"
FIRST_SOUND_SECONDS = 6.0
NEXT_SOUND_SECONDS = 6.0


class TTS(Service[Account, Pool], interfaces.TTS):
    """A voice. The key is `api_key` or ELEVENLABS_API_KEY, the address `base_url` or ELEVENLABS_BASE_URL.

    `output_format` is one of the raw ones, `pcm_<rate>`; other rates than 16000 are converted. `voice_settings` are
    ElevenLabs' own (stability, similarity_boost, style, speed, use_speaker_boost). Raises :class:`ValueError`
    without a key.
    """

    def __init__(
        self,
        api_key: str | None = None,
        voice_id: str = DEFAULT_VOICE,
        model_id: str = DEFAULT_MODEL,
        *,
        base_url: str | None = None,
        output_format: str = "pcm_16000",
        language_code: str | None = None,
        voice_settings: Mapping[str, Any] | None = None,
        backoff: Backoff | None = None,
        first_sound_seconds: float = FIRST_SOUND_SECONDS,
        next_sound_seconds: float = NEXT_SOUND_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        key = find_key("elevenlabs.TTS", api_key, "ELEVENLABS_API_KEY")
        super().__init__(
            VENDOR,
            SDK,
            CLIENTS,
            Account(key, base_url or os.environ.get("ELEVENLABS_BASE_URL") or DEFAULT_URL),
            backoff=backoff,
            limits_seconds=(first_sound_seconds, next_sound_seconds),
            clock=clock,
        )
        self._sample_rate = sample_rate(output_format)
        self._voice_id = voice_id
        wanted = {
            "model_id": model_id,
            "output_format": output_format,
            "language_code": language_code,
            "voice_settings": dict(voice_settings) if voice_settings else None,
        }
        self._options = {name: value for name, value in wanted.items() if value is not None}

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        samples = Samples(self._sample_rate)
        async with aclosing(self._asked(lambda: self._in_time(self._request(text)))) as sound:
            async for piece in sound:
                if pcm := samples.take(piece):
                    yield pcm
        if rest := samples.rest():
            yield rest

    def _translated(self, error: Exception) -> VendorError | None:
        return translated(error, self._account.key)

    def _count_error(self) -> None:
        self.metrics.on_tts_error()

    async def _request(self, text: str) -> AsyncGenerator[bytes, None]:
        assert self._pool is not None
        stream = self._pool.sdk.text_to_speech.with_raw_response.stream
        async with stream(self._voice_id, text=text, request_options={"chunk_size": None}, **self._options) as response:
            kind = response.headers.get("content-type", "")
            if not kind.startswith(("audio/", "application/octet-stream")):
                raise VendorError(f"{VENDOR} answered with {kind or 'something'!r} instead of sound")
            async for piece in response.data:
                yield piece
