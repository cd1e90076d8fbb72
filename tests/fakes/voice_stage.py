"""An agent made of scripted engines, with everything a test wants to look at."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock

from greenroom.agent import Agent, User
from greenroom.agent.events import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from greenroom.agent.conversation import ToolCall
    from greenroom.agent.interfaces import TextDelta, Usage


@dataclass
class Stage:
    """`hears` are the user's texts, `answers` the model's, as in `scripted_voice`."""

    hears: list[str | Exception] = field(default_factory=list)
    answers: list[Sequence[TextDelta | ToolCall | Usage | float | Exception]] = field(default_factory=list)
    somebody_there: bool = True

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.edge = scripted.Edge(self.clock, self.somebody_there)
        self.stt = scripted.Stt(self.clock, self.hears)
        self.llm = scripted.Llm(self.clock, self.answers)
        self.tts = scripted.Tts(self.clock)
        self.agent = Agent(
            edge=self.edge,
            llm=self.llm,
            agent_user=User(name="Assistant", id="agent"),
            instructions="Be brief.",
            stt=self.stt,
            tts=self.tts,
            vad=scripted.Vad(),
            clock=self.clock,
        )
        self.events: list[Event] = []

        @self.agent.subscribe
        def keep(event: Event) -> None:
            self.events.append(event)

    @asynccontextmanager
    async def on_call(self, participant_wait_timeout: float | None = 10.0) -> AsyncIterator[scripted.Connection]:
        call = await self.agent.create_call("default", "call-1")
        async with self.agent.join(call, participant_wait_timeout):
            assert self.edge.connection is not None
            yield self.edge.connection

    def seen(self, *types: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, types or (Event,))]

    def history(self) -> list[tuple[str, str]]:
        return [(message.role.value, message.text) for message in self.agent.conversation.messages]
