"""The voice: sentences into sound, the next one made while the last one plays."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from greenroom.agent.audio import duration_ms
from greenroom.agent.playout import Speech, Spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from greenroom.agent.interfaces import TTS
    from greenroom.agent.playout import Playout
    from greenroom_core.clock import Clock

WAITING_SENTENCES = 8


class Speaking:
    """One answer being spoken. `say` as sentences come, `finish` when no more do, within `run`.

    Sound is made at once and goes out when `wanted` is set.
    """

    def __init__(self, tts: TTS | None, playout: Playout, clock: Clock, wanted: asyncio.Event) -> None:
        self.speech = Speech()
        self._tts = tts
        self._playout = playout
        self._clock = clock
        self._wanted = wanted
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue(WAITING_SENTENCES)

    async def say(self, sentence: str) -> None:
        """Speak `sentence` next; waits while :data:`WAITING_SENTENCES` wait already."""
        await self._sentences.put(sentence)

    async def finish(self) -> None:
        await self._sentences.put(None)

    async def run(self) -> None:
        """Speak until `finish`, and until the last sound went out."""
        while (sentence := await self._sentences.get()) is not None:
            await self._speak(sentence)
        await self._playout.drained()

    async def _speak(self, text: str) -> None:
        sentence = Spoken(text)
        self.speech.sentences.append(sentence)
        if self._tts is None:  # nothing to speak with: the text counts as said
            await self._wanted.wait()
            sentence.made = sentence.played = 1
        else:
            await self._synthesize(sentence, self._tts)
        sentence.complete = True

    async def _synthesize(self, sentence: Spoken, tts: TTS) -> None:
        asked_at = self._clock.boot()
        working = 0.0
        try:
            sound = cast("AsyncGenerator[bytes, None]", tts.synthesize(sentence.text))
            async with aclosing(sound):  # cut off, it stops at once and not when it is collected
                async for pcm in sound:
                    working += self._clock.boot() - asked_at
                    await self._wanted.wait()
                    await self._playout.put(self.speech, sentence, pcm)
                    asked_at = self._clock.boot()
        except Exception:
            tts.metrics.on_tts_error()
            raise
        tts.metrics.on_tts_synthesis(
            synthesis_time_ms=(working + self._clock.boot() - asked_at) * 1000,
            audio_duration_ms=duration_ms(sentence.made),
            character_count=len(sentence.text),
        )
