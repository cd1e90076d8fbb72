"""Each vendor in each trouble, in a call: it is reported, the call goes on, and the next question is answered.

The table in docs/plugins.md ("When a vendor fails") says the same; the tests of each plugin alone go into the details.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.gemini.server import said
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent import Agent, User
from greenroom.agent.audio import SAMPLE_RATE, silence
from greenroom.agent.events import AgentErrorEvent, AgentTurnEndedEvent, Event, UserTranscriptEvent
from greenroom.plugins import deepgram as ears
from greenroom.plugins import elevenlabs as voices
from greenroom.plugins import gemini as models
from greenroom.plugins.deepgram import carrying, line
from greenroom.plugins.deepgram.stt import CLIENTS as EARS
from greenroom.plugins.elevenlabs.client import CLIENTS as VOICES
from greenroom.plugins.gemini.client import CLIENTS as MODELS
from greenroom.plugins.vendor import Backoff, VendorError
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.fakes.deepgram.server import FakeDeepgram
    from tests.fakes.elevenlabs.server import FakeElevenLabs
    from tests.fakes.gemini.server import FakeGemini

EventType = TypeVar("EventType", bound=Event)

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)
ATTEMPTS = QUICK.attempts
PATIENCE_SECONDS = 1.0
LIMIT_SECONDS = 60.0


@dataclass
class Vendors:
    deepgram: FakeDeepgram
    elevenlabs: FakeElevenLabs
    gemini: FakeGemini


@dataclass
class Scene:
    """A call in which the agent of the basic example sits, with less patience than it has by itself."""

    agent: Agent
    edge: scripted.Edge
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[EventType]) -> list[EventType]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[EventType], count: int = 1) -> list[EventType]:
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(found := self.of(kind)) < count:
                await asyncio.sleep(0.01)
        return found

    async def speak(self, seconds: float = 0.5, after_seconds: float = 0.7) -> None:
        assert self.edge.connection is not None
        sound = (8000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds)
        await self.edge.connection.speak(silence(0.1) + sound + silence(after_seconds))

    async def answered(self, text: str) -> None:
        """A question is answered as if nothing had been."""
        before = len(self.of(AgentErrorEvent))
        await self.agent.simple_response(text)
        assert text in self.heard()[-1]
        assert len(self.of(AgentErrorEvent)) == before

    def heard(self) -> list[str]:
        return [message.text for message in self.agent.conversation.messages if message.role.value == "assistant"]

    def errors(self) -> list[tuple[str, str]]:
        """Part and message; all of them ours."""
        failed = self.of(AgentErrorEvent)
        assert {type(event.error) for event in failed} <= {VendorError}
        assert all(event.error.__context__ is None for event in failed), "no error of an SDK came out with it"
        return [(event.part, str(event.error)) for event in failed]


@pytest.fixture
def vendors(deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs, gemini: FakeGemini) -> Vendors:
    return Vendors(deepgram, elevenlabs, gemini)


@asynccontextmanager
async def call(vendors: Vendors, model: str = "flux-general-en") -> AsyncIterator[Scene]:
    edge = scripted.Edge(SystemClock())
    first, next_ = PATIENCE_SECONDS, PATIENCE_SECONDS
    agent = Agent(
        edge=edge,
        agent_user=User(name="Assistant", id="agent"),
        llm=models.LLM(
            api_key=KEY,
            base_url=vendors.gemini.url,
            backoff=QUICK,
            first_token_seconds=first,
            next_token_seconds=next_,
        ),
        tts=voices.TTS(
            api_key=KEY,
            base_url=vendors.elevenlabs.url,
            backoff=QUICK,
            first_sound_seconds=first,
            next_sound_seconds=next_,
        ),
        stt=ears.STT(model=model, api_key=KEY, base_url=vendors.deepgram.url, backoff=QUICK),
    )
    scene = Scene(agent, edge)

    @agent.subscribe
    def keep(event: Event) -> None:
        scene.events.append(event)

    async with asyncio.timeout(LIMIT_SECONDS), agent.join(await agent.create_call("default", "call-1")):
        yield scene
    assert (EARS.count, VOICES.count, MODELS.count) == (0, 0, 0)


# --- the model ---

REFUSED_FOR_GOOD = [Fault(status=429)] * ATTEMPTS
HANGS_FOR_GOOD = [Fault(delay_seconds=60)] * ATTEMPTS


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        pytest.param(HANGS_FOR_GOOD, "Gemini sent nothing for 1 s", id="slow"),
        pytest.param([Fault(stall=True, after=3)], "Gemini sent nothing for 1 s", id="stalled"),
        pytest.param([Fault(cut=True, after=3)], "Gemini cannot be reached or hung up", id="cut"),
        pytest.param([Fault(malformed=True, after=3)], "Gemini sent something that cannot be read", id="rubbish"),
        pytest.param([Fault(malformed=True)] * ATTEMPTS, "Gemini sent something that cannot be", id="all rubbish"),
        pytest.param(REFUSED_FOR_GOOD, "Gemini is at its limit (HTTP 429)", id="rate limit"),
        pytest.param([Fault(cut=True)] * ATTEMPTS, "Gemini cannot be reached or hung up", id="unreachable"),
    ],
)
async def test_a_model_that_fails(vendors: Vendors, faults: Sequence[Fault], message: str) -> None:
    if len(faults) == 1:  # in the middle of an answer
        vendors.gemini.answers.append(said("It ", "is. ", "Or ", "is it not?"))
    async with call(vendors) as scene:
        vendors.gemini.faults.extend(faults)
        await scene.agent.simple_response("One")
        ((part, told),) = scene.errors()
        assert part == "answer"
        assert told.startswith(message)
        assert "is it not" not in " ".join(scene.heard()), "no half sentence is spoken"
        assert scene.agent.llm.metrics.errors["llm"] == len(faults), "each try counts"
        await scene.answered("Two")


async def test_a_model_that_does_not_take_the_key_any_more(vendors: Vendors) -> None:
    async with call(vendors) as scene:
        vendors.gemini.key = "another one"
        await scene.agent.simple_response("One")
        assert "check GOOGLE_API_KEY" in scene.errors()[0][1]
        assert vendors.gemini.refused == 1, "asked once: a key does not get better"
        vendors.gemini.key = KEY
        await scene.answered("Two")


# --- the voice ---


@pytest.mark.parametrize(
    ("faults", "message", "sounds"),
    [
        pytest.param(HANGS_FOR_GOOD, "ElevenLabs sent nothing for 1 s", False, id="slow"),
        pytest.param([Fault(stall=True, after=9)], "ElevenLabs sent nothing for 1 s", True, id="stalled"),
        pytest.param([Fault(cut=True, after=9)], "ElevenLabs cannot be reached or hung up", True, id="cut"),
        pytest.param([Fault(malformed=True)], "ElevenLabs answered with 'text/html'", False, id="rubbish"),
        pytest.param(REFUSED_FOR_GOOD, "ElevenLabs is at its limit (HTTP 429)", False, id="rate limit"),
        pytest.param([Fault(cut=True)] * ATTEMPTS, "ElevenLabs cannot be reached", False, id="unreachable"),
    ],
)
async def test_a_voice_that_fails(vendors: Vendors, faults: Sequence[Fault], message: str, sounds: bool) -> None:
    async with call(vendors) as scene:
        vendors.elevenlabs.faults.extend(faults)
        await scene.agent.simple_response("One and two and three")
        ((part, told),) = scene.errors()
        assert part == "answer"
        assert told.startswith(message)
        assert bool(scene.edge.connection and scene.edge.connection.sent) <= sounds
        assert "three" not in " ".join(scene.heard()), "what was not spoken was not said"
        assert scene.agent.tts is not None
        assert scene.agent.tts.metrics.errors["tts"] == len(faults)
        await scene.answered("Two")


async def test_a_voice_that_does_not_take_the_key_any_more(vendors: Vendors) -> None:
    async with call(vendors) as scene:
        vendors.elevenlabs.key = "another one"
        await scene.agent.simple_response("One")
        assert "check ELEVENLABS_API_KEY" in scene.errors()[0][1]
        assert vendors.elevenlabs.refused == 1
        vendors.elevenlabs.key = KEY
        await scene.answered("Two")


# --- the ears ---

EARS_TROUBLE = [
    pytest.param([Fault(stall=True, after=4)], "Deepgram said nothing about 1 s of speech", id="slow"),
    pytest.param([Fault(cut=True, after=4)], "Deepgram", id="cut"),
    pytest.param([Fault(malformed=True, after=3)], "Deepgram sent", id="rubbish"),
    pytest.param([Fault(cut=True, after=4), Fault(status=429), Fault(status=429)], "Deepgram", id="rate limit"),
    pytest.param([Fault(cut=True, after=4), Fault(delay_seconds=60)], "Deepgram", id="does not pick up"),
]


@pytest.mark.parametrize("model", ["flux-general-en", "nova-3"])
@pytest.mark.parametrize(("faults", "message"), EARS_TROUBLE)
async def test_ears_that_fail(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch, model: str, faults: Sequence[Fault], message: str
) -> None:
    monkeypatch.setattr(carrying, "STALLED_SECONDS", 1.0)
    monkeypatch.setattr(line, "DIAL_SECONDS", 1.0)
    vendors.deepgram.texts = deque(["Hello there", "hello there again", "And now", "and once more", "and again"])
    vendors.deepgram.faults.extend(faults)
    async with call(vendors, model) as scene:
        await scene.speak(2.2)
        await scene.until(AgentErrorEvent)
        answered = len(await scene.until(AgentTurnEndedEvent))
        understood = len([event for event in scene.of(UserTranscriptEvent) if event.final])
        await scene.speak(0.6)
        await scene.until(AgentTurnEndedEvent, answered + 1)
        assert len([event for event in scene.of(UserTranscriptEvent) if event.final]) > understood
        assert not vendors.deepgram.faults, "all of it happened"
        assert {part for part, _ in scene.errors()} == {"stt"}
        assert all(told.startswith(message) for _, told in scene.errors())


@pytest.mark.parametrize("model", ["flux-general-en", "nova-3"])
async def test_ears_that_do_not_take_the_key_any_more_end_the_call(vendors: Vendors, model: str) -> None:
    vendors.deepgram.faults.append(Fault(cut=True, after=2))

    async def conversation() -> None:
        async with call(vendors, model) as scene:
            vendors.deepgram.key = "another one"
            await scene.speak(2.0)
            await scene.agent.finish()

    with pytest.raises(VendorError, match=r"refused the API key.*check DEEPGRAM_API_KEY"):
        await conversation()
    assert vendors.deepgram.refused == 1


# --- all of them ---


async def test_a_call_in_which_each_fails_once(vendors: Vendors) -> None:
    """Four spoken questions: the ears break in the first, the model in the second, the voice in the third."""
    vendors.deepgram.texts = deque(["One one", "one more", "Two", "Three", "Four"])
    vendors.deepgram.faults.append(Fault(cut=True, after=4))
    async with call(vendors) as scene:
        await scene.speak(2.0)
        await scene.until(AgentTurnEndedEvent)
        vendors.gemini.faults.append(Fault(status=400))
        await scene.speak()
        await scene.until(AgentErrorEvent, 2)
        vendors.elevenlabs.faults.append(Fault(status=400))
        await scene.speak()
        await scene.until(AgentErrorEvent, 3)
        answers = len(scene.heard())
        await scene.speak()
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(scene.heard()) == answers:
                await asyncio.sleep(0.01)
        assert scene.heard()[-1].endswith("Four")
    parts = [(part, told.split()[0]) for part, told in scene.errors()]
    assert parts == [("stt", "Deepgram"), ("answer", "Gemini"), ("answer", "ElevenLabs")]
