"""An agent of scripted engines in a call of the fake, on real time and with sound that survives Opus."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes import scripted_voice as scripted

from greenroom.agent import Agent, User
from greenroom.agent.audio import SAMPLE_RATE
from greenroom.agent.conversation import Role
from greenroom.agent.events import Event
from greenroom.agent.interfaces import TextDelta
from greenroom.plugins import getstream
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fakes.stream.server import FakeStream

    from greenroom.agent.interfaces import Component
    from greenroom.agent.sight import PictureWish


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    """A sine: the constant level that other scripted tests take for speech is no sound to a codec."""
    step = 2 * math.pi * hertz / SAMPLE_RATE
    samples = array("h", (int(10_000 * math.sin(step * number)) for number in range(int(SAMPLE_RATE * seconds))))
    return samples.tobytes()


class Tts(scripted.Tts):
    async def synthesize(self, text: str) -> AsyncIterator[bytes]:
        self.asked.append(text)
        yield tone(scripted.SECONDS_PER_WORD * len(text.split()), hertz=880.0)


@dataclass
class Scene:
    """The agent understands `hears`, one text a turn, and says `says`, one a turn."""

    stream: FakeStream
    hears: list[str | Exception] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    join_timeout_seconds: float = 20.0
    request_timeout_seconds: float = 5.0
    reconnect_timeout_seconds: float = 45.0
    edge: getstream.Edge | None = None
    processors: list[Component] = field(default_factory=list)
    picture_wish: PictureWish | None = None

    def __post_init__(self) -> None:
        clock = SystemClock()
        keys = self.stream.credentials
        self.edge = self.edge or getstream.Edge(
            keys.api_key,
            keys.api_secret,
            self.stream.url,
            join_timeout_seconds=self.join_timeout_seconds,
            request_timeout_seconds=self.request_timeout_seconds,
            reconnect_timeout_seconds=self.reconnect_timeout_seconds,
        )
        self.stt = scripted.Stt(clock, self.hears)
        self.tts = Tts(clock)
        self.llm = scripted.Llm(clock, [[TextDelta(text)] for text in self.says])
        self.llm.picture_wish = self.picture_wish
        self.agent = Agent(
            edge=self.edge,
            llm=self.llm,
            agent_user=User(name="Assistant", id="agent"),
            stt=self.stt,
            tts=self.tts,
            vad=scripted.Vad(),
            processors=self.processors,
        )
        self.events: list[Event] = []

        @self.agent.subscribe
        def keep(event: Event) -> None:
            self.events.append(event)

    def said(self) -> list[str]:
        """The agent's part of the conversation, as far as it was heard."""
        messages = self.agent.conversation.messages
        return [message.text for message in messages if message.role is Role.ASSISTANT]

    def seen(self, *types: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, types)]
