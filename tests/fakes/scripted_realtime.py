"""A model that hears and speaks as a test tells it, and an agent with it on a call that is the test's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock

from greenroom.agent import Agent, User, realtime
from greenroom.agent.events import Event
from greenroom.agent.realtime import ReplyOver, ReplySound, ReplyWords, SoundGiven, TextGiven

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from greenroom.agent.realtime import Given, Offer, Opening, Said
    from greenroom_core.clock import Clock

Step: TypeAlias = "Said | float | Exception"


def reply(text: str) -> list[Step]:
    """A whole reply as a fast model makes it: a tenth of a second of sound for each word, all at once."""
    return [piece for word in text.split() for piece in spoken_word(word)] + [ReplyOver()]


def spoken_word(word: str) -> list[Step]:
    return [ReplyWords(f"{word} "), ReplySound(scripted.tone(scripted.SECONDS_PER_WORD))]


@dataclass
class Realtime(realtime.Realtime):
    """Plays the next of `replies` for each text that it is given; numbers are pauses, exceptions end it. A test may
    `say` what it likes besides. `offers` are what it was given, without the sound."""

    clock: Clock
    replies: list[Sequence[Step]] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    sound: bytearray = field(default_factory=bytearray)
    openings: list[Opening] = field(default_factory=list)
    refusal: Exception | None = None
    closed: int = 0
    leaves: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, opening: Callable[[], Opening]) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def converse(self, opening: Callable[[], Opening], given: Given, said: Callable[[Said], None]) -> None:
        self.openings.append(opening())
        self._said = said
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(given, group))
            await self.leaves.wait()
            listening.cancel()

    def say(self, *values: Said) -> None:
        for value in values:
            self._said(value)

    async def play(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await self.clock.sleep(step)
            else:
                self.say(step)

    async def close(self) -> None:
        self.closed += 1

    async def _listen(self, given: Given, group: asyncio.TaskGroup) -> None:
        while True:
            offer = await given.next(None)
            if isinstance(offer, SoundGiven):
                self.sound += offer.pcm
            elif offer is not None:
                self.offers.append(offer)
            if isinstance(offer, TextGiven) and self.replies:
                group.create_task(self.play(self.replies.pop(0)))


class RealtimeStage:
    """An agent with such a model and nothing else, on virtual time."""

    def __init__(self, replies: Sequence[Sequence[Step]] = (), fps: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.edge = scripted.Edge(self.clock)
        self.model = Realtime(self.clock, list(replies))
        self.model.fps = fps
        self.agent = Agent(
            edge=self.edge,
            llm=self.model,
            agent_user=User(name="Assistant", id="agent"),
            instructions="Be brief.",
            clock=self.clock,
        )
        self.events: list[Event] = []

        @self.agent.subscribe
        def keep(event: Event) -> None:
            self.events.append(event)

    @asynccontextmanager
    async def on_call(self) -> AsyncIterator[scripted.Connection]:
        async with self.agent.join(await self.agent.create_call("default", "call-1")):
            assert self.edge.connection is not None
            yield self.edge.connection

    def seen(self, *types: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, types or (Event,))]

    def history(self) -> list[tuple[str, str]]:
        return [(message.role.value, message.text) for message in self.agent.conversation.messages]
