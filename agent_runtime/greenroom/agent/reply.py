"""One reply of a model that speaks: its sound on the way to the playout, and its words.

The model says the words beside the sound, not within it, so what was heard is as much of the words as was played of
the sound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom.agent.audio import duration_ms
from greenroom.agent.playout import Speech, Spoken
from greenroom.agent.sentences import SentenceSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.agent.turn import Turn

MAX_WAITING_SECONDS = 300.0


@dataclass(slots=True)
class Running(Spoken):
    """The words of a reply and its sound, both as far as they came."""

    def heard(self) -> str:
        """Of a reply that is still being made, both are as far as they came: the sound and its words come together."""
        if self.made and self.played >= self.made:
            return self.text.strip()
        words = self.text.split()
        return " ".join(words[: len(words) * self.played // max(1, self.made)])


class Reply:
    """`turn` is what it answers, None if it is the user's speech. `answers_since` is when the user had said that."""

    def __init__(self, turn: Turn | None = None, answers_since: float | None = None) -> None:
        self.turn = turn
        self.answers_since = answers_since
        self.spoken = Running("")
        self.speech = Speech([self.spoken])
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        """Heard, cut off, or never to come."""
        self.whole = True
        self.wants_results = False
        """The model paused for functions and goes on with what they give."""
        self._splitter = SentenceSplitter()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._finished = False

    @property
    def silent(self) -> bool:
        """Nothing to be heard has come of it."""
        return not self.spoken.made and not self._waiting and not self.spoken.text

    @property
    def heard_seconds(self) -> float:
        return duration_ms(self.spoken.played) / 1000

    def add_sound(self, pcm: bytes) -> bool:
        """Whether there was room for it."""
        if duration_ms(self._waiting_bytes) / 1000 > MAX_WAITING_SECONDS:
            return False
        self._waiting.append(pcm)
        self._waiting_bytes += len(pcm)
        self._changed.set()
        return True

    def add_words(self, text: str) -> list[str]:
        """The sentences that `text` completes."""
        self.spoken.text += text
        return self._splitter.push(text)

    def finish(self, whole: bool) -> str:
        """No more comes; the words that make no sentence."""
        self.whole = whole
        self._finished = True
        self._changed.set()
        return self._splitter.rest()

    async def sounds(self) -> AsyncIterator[bytes]:
        """Its sound as it comes, to its end. For one reader."""
        while True:
            while self._waiting:
                pcm = self._waiting.popleft()
                self._waiting_bytes -= len(pcm)
                yield pcm
            if self._finished:
                return
            self._changed.clear()
            await self._changed.wait()
