"""Text to speech by ElevenLabs: one streaming request a sentence, sound passed on as it comes."""

from __future__ import annotations

import logging
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from greenroom.agent import interfaces
from greenroom.plugins.elevenlabs.client import CLIENTS, DEFAULT_URL, SDK, VENDOR, Account, Pool, translated
from greenroom.plugins.elevenlabs.sound import Samples, sample_rate
from greenroom.plugins.vendor import Backoff, VendorError, find_key, limited, load, repeated
from greenroom.warmup import Warmable
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.elevenlabs")

DEFAULT_VOICE = "JBFqnCBsd6RMkjVDRZzb"
DEFAULT_MODEL = "eleven_flash_v2_5"
FIRST_SOUND_SECONDS = 6.0
NEXT_SOUND_SECONDS = 6.0


class TTS(interfaces.TTS, Warmable[None]):
    """A voice. The key is `api_key` or ELEVENLABS_API_KEY, the address `base_url` or ELEVENLABS_BASE_URL.

    `output_format` is one of the raw ones, `pcm_<rate>`; other rates than 16000 are converted. `voice_settings` are
    ElevenLabs' own (stability, similarity_boost, style, speed, use_speaker_boost). Raises :class:`ValueError`
    without a key.
    """

    def __init__(
        self,
        voice_id: str = DEFAULT_VOICE,
        model_id: str = DEFAULT_MODEL,
        *,
        api_key: str | None = None,
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
        self._account = Account(key, base_url or os.environ.get("ELEVENLABS_BASE_URL") or DEFAULT_URL)
        self._sample_rate = sample_rate(output_format)
        self._voice_id = voice_id
        wanted = {
            "model_id": model_id,
            "output_format": output_format,
            "language_code": language_code,
            "voice_settings": dict(voice_settings) if voice_settings else None,
        }
        self._options = {name: value for name, value in wanted.items() if value is not None}
        self._backoff = backoff or Backoff()
        self._limits_seconds = (first_sound_seconds, next_sound_seconds)
        self._clock = clock or SystemClock()
        self._pool: Pool | None = None

    async def on_warmup(self) -> None:
        await load(SDK)

    def on_warmed_up(self, resource: None) -> None:
        """The SDK is imported; connections belong to calls."""

    async def start(self) -> None:
        if self._pool is None:
            self._pool = await CLIENTS.take(self._account)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await CLIENTS.give_back(self._account)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        await self.start()
        samples = Samples(self._sample_rate)
        sentence = repeated(lambda: self._attempt(text), self._backoff, self._clock, self._failed)
        async with aclosing(sentence) as sound:
            async for piece in sound:
                if pcm := samples.take(piece):
                    yield pcm
        if rest := samples.rest():
            yield rest

    def _failed(self, error: VendorError) -> None:
        self.metrics.on_tts_error()
        logger.warning("a sentence is asked for again: %s", error)

    async def _attempt(self, text: str) -> AsyncGenerator[bytes, None]:
        failure: VendorError | None = None
        try:
            request = limited(self._request(text), VENDOR, *self._limits_seconds, self._clock)
            async with aclosing(request) as sound:
                async for piece in sound:
                    yield piece
        except Exception as error:
            failure = error if isinstance(error, VendorError) else translated(error, self._account.key)
            if failure is None:
                raise
        if failure is not None:  # raised here, so that no SDK's error is its context
            raise failure

    async def _request(self, text: str) -> AsyncGenerator[bytes, None]:
        assert self._pool is not None
        stream = self._pool.sdk.text_to_speech.with_raw_response.stream
        async with stream(self._voice_id, text=text, request_options={"chunk_size": None}, **self._options) as response:
            kind = response.headers.get("content-type", "")
            if not kind.startswith(("audio/", "application/octet-stream")):
                raise VendorError(f"{VENDOR} answered with {kind or 'something'!r} instead of sound")
            async for piece in response.data:
                yield piece
