"""A model that hears and speaks as a test tells it: no key, no network, no extra."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from greenroom.agent.audio import FRAME_BYTES
from greenroom.agent.conversation import ToolCall
from greenroom.agent.interfaces import ModelRequest
from greenroom.agent.realtime import (
    CallsUnwanted,
    CallsWanted,
    Realtime,
    RealtimeTrouble,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    ResultGiven,
    SoundGiven,
    TextGiven,
    UserBegan,
    UserOver,
    UserSaid,
)
from greenroom.agent.turn_taking import SpeechBegan, SpeechOver
from greenroom.testing.script import Answer, Call, Pause, ScriptError, Step, requests_of
from greenroom.testing.scripted import ScriptedEars, tone
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from greenroom.agent.realtime import Given, Offer, Opening, Said
    from greenroom.agent.turn_taking import Heard
    from greenroom_core.clock import Clock


class ScriptedRealtime(Realtime):
    """Gives `answers` as :class:`ScriptedLLM` does, one for each text and each turn of the user; understands `texts` as
    :class:`ScriptedSTT` does. Speaks with a tone of `seconds_per_word` for each word. `asked` is what it answered.
    """

    chunk_bytes = FRAME_BYTES

    def __init__(
        self,
        *answers: Answer,
        texts: Iterable[str] = (),
        seconds_per_word: float = 0.01,
        silence_seconds: float = 0.3,
        clock: Clock | None = None,
    ) -> None:
        self._answers = [requests_of(answer) for answer in answers]
        self._ears = ScriptedEars(texts, silence_seconds)
        self._seconds_per_word = seconds_per_word
        self._clock = clock or SystemClock()
        self._results: dict[str, asyncio.Future[None]] = {}
        self._answering: asyncio.Task[None] | None = None
        self.asked: list[str] = []

    def expect(self, text: str) -> None:
        """The user is about to say `text`."""
        self._ears.expect(text)

    async def converse(self, opening: Callable[[], Opening], given: Given, said: Callable[[Said], None]) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                offer = await given.next(None)
                if (text := self._heard(offer, said)) is not None:
                    await self._fall_silent(said)
                    self._answering = group.create_task(self._answer(text, opening, said))

    def _heard(self, offer: Offer | None, said: Callable[[Said], None]) -> str | None:
        """What is to be answered now."""
        match offer:
            case TextGiven(text):
                return text
            case ResultGiven(result):
                self._results.pop(result.call.id).set_result(None)
            case SoundGiven(pcm):
                return self._understood(self._ears.hear(pcm), said)
        return None

    def _understood(self, heard: Heard | None, said: Callable[[Said], None]) -> str | None:
        match heard:
            case SpeechBegan():
                said(UserBegan())
            case SpeechOver(text):
                said(UserOver())
                said(UserSaid(text))
                return text
        return None

    async def _fall_silent(self, said: Callable[[Said], None]) -> None:
        if self._answering is not None and not self._answering.done():
            self._answering.cancel()
            await asyncio.wait((self._answering,))
            said(CallsUnwanted(tuple(self._results)))
            self._results.clear()
            said(ReplyDropped())

    async def _answer(self, text: str, opening: Callable[[], Opening], said: Callable[[Said], None]) -> None:
        self.asked.append(text)
        whole = True
        try:
            for steps in self._requests(text):
                await self._take(steps, opening, said)
        except Exception as error:
            said(ReplyWords(""))  # begins the reply, if nothing else did
            said(RealtimeTrouble(error))
            whole = False
        said(ReplyOver(whole))

    def _requests(self, text: str) -> list[list[Step]]:
        number = len(self.asked)
        if number > len(self._answers):
            raise ScriptError(f"the script has {len(self._answers)} answers and one more is asked for, to {text!r}")
        return self._answers[number - 1]

    async def _take(self, steps: list[Step], opening: Callable[[], Opening], said: Callable[[Said], None]) -> None:
        calls = tuple(
            ToolCall(str(uuid.uuid4()), step.name, step.arguments) for step in steps if isinstance(step, Call)
        )
        for step in steps:
            match step:
                case Pause(seconds):
                    await self._clock.sleep(seconds)
                case Exception():
                    raise step
                case str():
                    self._speak(step, said)
                case Call():
                    continue
                case _:
                    now = opening()
                    self._speak(step(ModelRequest(now.instructions, now.messages, now.tools)), said)
        if calls:
            loop = asyncio.get_running_loop()
            self._results = {call.id: loop.create_future() for call in calls}
            results = tuple(self._results.values())
            said(CallsWanted(calls))
            await asyncio.gather(*results)

    def _speak(self, text: str, said: Callable[[Said], None]) -> None:
        said(ReplyWords(text))
        said(ReplySound(tone(self._seconds_per_word * max(1, len(text.split())))))
