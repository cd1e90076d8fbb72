"""Parts that do what a test tells them: no model, no key, no network, no extra."""

from __future__ import annotations

import uuid
from collections import deque
from typing import TYPE_CHECKING

from greenroom.agent import interfaces
from greenroom.agent.audio import FRAME_BYTES, SAMPLE_RATE, peak, seconds_of
from greenroom.agent.conversation import ToolCall
from greenroom.agent.interfaces import ModelRequest, TextDelta, Usage
from greenroom.agent.turn_taking import SpeechBegan, SpeechOver, TurnTakingSTT
from greenroom.testing.script import Answer, Call, Pause, ScriptError, Step, calls_since_user, requests_of, user_turns
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from greenroom.agent.turn_taking import Heard, Sound
    from greenroom_core.clock import Clock

AUDIBLE_PEAK = 500


def tone(seconds: float) -> bytes:
    """Sound that is not silence."""
    half_wave = (8_000).to_bytes(2, "little", signed=True) * 40 + (-8_000).to_bytes(2, "little", signed=True) * 40
    return (half_wave * (int(SAMPLE_RATE * seconds) // 80 + 1))[: int(SAMPLE_RATE * seconds) * 2]


class ScriptedLLM(interfaces.LLM):
    """Gives `answers`, one for each turn of the user, whatever they say.

    An answer is a step or several. A text is said; a :class:`Call` asks for a function, those in a row at the same
    time, and what follows is said when the results are there; a :class:`Pause` takes time; an exception is raised; a
    function is given the request and returns the text. A turn beyond the last answer raises :class:`ScriptError`.
    `requests` are those that came.
    """

    def __init__(self, *answers: Answer, clock: Clock | None = None) -> None:
        self._turns = [requests_of(answer) for answer in answers]
        self._clock = clock or SystemClock()
        self._before: int | None = None
        self.requests: list[ModelRequest] = []

    async def respond(self, request: ModelRequest) -> AsyncIterator[TextDelta | ToolCall | Usage]:
        self.requests.append(request)
        for step in self._steps(request):
            match step:
                case Pause(seconds):
                    await self._clock.sleep(seconds)
                case Call():
                    yield ToolCall(str(uuid.uuid4()), step.name, step.arguments)
                case Exception():
                    raise step
                case str():
                    yield TextDelta(step)
                case _:
                    yield TextDelta(step(request))

    def _steps(self, request: ModelRequest) -> list[Step]:
        said = user_turns(request.messages)
        if self._before is None:  # a history that the agent began with is not the script's
            self._before = max(said - 1, 0)
        number = max(said - 1 - self._before, 0)
        if number >= len(self._turns):
            last = request.messages[-1].text if request.messages else ""
            raise ScriptError(f"the script has {len(self._turns)} answers and the agent asks for one more, to {last!r}")
        turn, part = self._turns[number], calls_since_user(request.messages)
        return turn[part] if part < len(turn) else []


class ScriptedEars:
    """Turns in any sound: one is over when there was silence for `silence_seconds`. Each says the next of `texts`, and
    after them what was told by `expect`."""

    def __init__(self, texts: Iterable[str], silence_seconds: float) -> None:
        self._texts = deque(texts)
        self._silence_seconds = silence_seconds
        self._spoken = ""
        self._speech_seconds = self._silent_seconds = 0.0

    def expect(self, text: str) -> None:
        """The user is about to say `text`."""
        self._spoken = text

    def hear(self, chunk: bytes) -> SpeechBegan | SpeechOver | None:
        if peak(chunk) > AUDIBLE_PEAK:
            began = not self._speech_seconds
            self._speech_seconds += self._silent_seconds + seconds_of(chunk)
            self._silent_seconds = 0.0
            return SpeechBegan() if began else None
        if not self._speech_seconds:
            return None
        self._silent_seconds += seconds_of(chunk)
        if self._silent_seconds < self._silence_seconds:
            return None
        over = SpeechOver(self._understood(), self._speech_seconds, self._silent_seconds)
        self._speech_seconds = self._silent_seconds = 0.0
        return over

    def _understood(self) -> str:
        return self._texts.popleft() if self._texts else self._spoken


class ScriptedSTT(TurnTakingSTT):
    """Understands `texts`, one a turn, and after them what `Conversation.speak` says.

    A turn is over when there was silence for `silence_seconds`. It needs no voice activity.
    """

    chunk_bytes = FRAME_BYTES

    def __init__(self, texts: Iterable[str] = (), *, silence_seconds: float = 0.3) -> None:
        self._ears = ScriptedEars(texts, silence_seconds)

    def expect(self, text: str) -> None:
        """The user is about to say `text`."""
        self._ears.expect(text)

    async def hear(self, sound: Sound, heard: Callable[[Heard], None]) -> None:
        while True:
            chunk = await sound.chunk(None)
            if chunk is not None and (turn := self._ears.hear(chunk)) is not None:
                heard(turn)


class ScriptedTTS(interfaces.TTS):
    """A tone of `seconds_per_word` for each word; `said` are the sentences it was given."""

    def __init__(self, *, seconds_per_word: float = 0.01) -> None:
        self._seconds_per_word = seconds_per_word
        self.said: list[str] = []

    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.said.append(text)
        yield tone(self._seconds_per_word * max(1, len(text.split())))
