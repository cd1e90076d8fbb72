"""Engines that take a set time, and say how long it really was. They look for nothing but sound that is not zero."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from time import perf_counter
from typing import TYPE_CHECKING

from greenroom.agent import interfaces
from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from greenroom.agent.interfaces import TextDelta, TurnEnded, TurnStarted
from greenroom.agent.turn_taking import SpeechBegan, SpeechOver, TurnTakingSTT
from greenroom.agent.turns import SilenceSettings, SilenceTurnDetection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.agent.conversation import ToolCall
    from greenroom.agent.interfaces import ModelRequest, Usage
    from greenroom.agent.turn_taking import Heard, Sound

FINAL_SECONDS = 0.05
FIRST_TOKEN_SECONDS, TOKEN_SECONDS, TOKENS_TO_STOP = 0.1, 0.01, 10
FIRST_SOUND_SECONDS = 0.04

SHORT_ANSWER = (*(f"word{number} " for number in range(TOKENS_TO_STOP)), "stop.", " More", " of", " the", " same.")


def long_answer() -> Iterator[str]:
    """Sentences of twelve words without end."""
    return chain.from_iterable(repeat((*(f"word{number} " for number in range(11)), "stop. ")))


@dataclass
class Journal:
    """What one session's engines report, and when."""

    ended_at: float | None = None
    """The end of a turn was reported and nothing has been heard since."""
    nominal: float = 0.0
    elapsed: float = 0.0
    signalled_at: float = 0.0
    counted: set[str] = field(default_factory=set)

    def turn_began(self) -> None:
        self.signalled_at = perf_counter()

    def turn_ended(self) -> None:
        self.counted.clear()
        self.nominal = self.elapsed = 0.0
        self.ended_at = perf_counter()

    def took(self, part: str, nominal: float, began: float) -> None:
        """A part's delay on the way to the first sound; its later ones in the same turn are not."""
        if part not in self.counted:
            self.counted.add(part)
            self.nominal += nominal
            self.elapsed += perf_counter() - began


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - perf_counter()))


# --- ears -----------------------------------------------------------------------------------------------------


def _loud(chunk: bytes) -> bool:
    return chunk[-2:] != b"\0\0"


class Vad(interfaces.VAD):
    chunk_bytes = 1024

    def speech_probability(self, chunk: bytes) -> float:
        return 1.0 if _loud(chunk) else 0.0


class Turns(SilenceTurnDetection):
    """The framework's own, which here takes one quiet chunk for the end."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(SilenceSettings(silence_seconds=0.03))
        self._journal = journal

    def hear(self, probability: float, seconds: float) -> TurnStarted | TurnEnded | None:
        signal = super().hear(probability, seconds)
        if isinstance(signal, TurnStarted):
            self._journal.turn_began()
        elif isinstance(signal, TurnEnded):
            self._journal.turn_ended()
        return signal


class Stt(interfaces.STT):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def utterance(self) -> interfaces.Utterance:
        return _Utterance(self._journal)


class _Utterance(interfaces.Utterance):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def feed(self, pcm: bytes) -> str | None:
        return None

    async def finish(self) -> str:
        began = perf_counter()
        await asyncio.sleep(FINAL_SECONDS)
        self._journal.took("stt", FINAL_SECONDS, began)
        return "what was said"

    async def abandon(self) -> None:
        pass


class TurnTaker(TurnTakingSTT):
    """Has the text when it reports the end of the turn."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def hear(self, sound: Sound, heard: Callable[[Heard], None]) -> None:
        speaking = False
        while True:
            chunk = await sound.chunk(None)
            if chunk is None or _loud(chunk) is speaking:
                continue
            speaking = not speaking
            if speaking:
                self._journal.turn_began()
                heard(SpeechBegan())
            else:
                self._journal.turn_ended()
                heard(SpeechOver("what was said"))


# --- model and voice --------------------------------------------------------------------------------------------


class Llm(interfaces.LLM):
    """Sends its tokens at set moments after it was asked, whether or not the one before was taken, as a server does."""

    def __init__(self, journal: Journal, answer: Callable[[], Iterator[str]]) -> None:
        self._journal = journal
        self._answer = answer

    async def respond(self, request: ModelRequest) -> AsyncIterator[TextDelta | ToolCall | Usage]:
        began = perf_counter()
        for number, token in enumerate(self._answer()):
            after = FIRST_TOKEN_SECONDS + number * TOKEN_SECONDS
            await until(began + after)
            if number == TOKENS_TO_STOP:
                self._journal.took("llm", after, began)
            yield TextDelta(token)


class Tts(interfaces.TTS):
    """Sound in pieces, the first after a while and the others at once."""

    def __init__(self, journal: Journal, seconds_per_word: float, piece_seconds: float) -> None:
        self._journal = journal
        self._seconds_per_word = seconds_per_word
        self._piece = b"\x10\x27" * int(SAMPLE_RATE * piece_seconds)

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        began = perf_counter()
        await asyncio.sleep(FIRST_SOUND_SECONDS)
        self._journal.took("tts", FIRST_SOUND_SECONDS, began)
        left = int(SAMPLE_RATE * self._seconds_per_word * len(text.split())) * BYTES_PER_SAMPLE
        while left > 0:
            yield self._piece[:left]
            left -= len(self._piece)
