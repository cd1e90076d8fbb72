"""gemini.LLM that sees: what the call shows goes with the question, as JPEG through the real SDK."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.gemini.colours import picture_of
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent import Agent, Participant, User
from greenroom.agent.conversation import Message, Role
from greenroom.agent.events import AgentErrorEvent
from greenroom.agent.imaging import Rgb
from greenroom.agent.interfaces import ModelRequest, TextDelta
from greenroom.agent.sight import Seen
from greenroom.agent.video import VideoFrame
from greenroom.plugins import deepgram as ears
from greenroom.plugins import elevenlabs as voices
from greenroom.plugins import gemini as models
from greenroom.plugins import local, wav
from greenroom.plugins.vendor import Backoff
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from tests.fakes.deepgram.server import FakeDeepgram
    from tests.fakes.elevenlabs.server import FakeElevenLabs
    from tests.fakes.gemini.server import FakeGemini

    from greenroom.agent.calls import Call, CallSink

RED, GREEN, BLUE = (250, 10, 10), (0, 160, 0), (10, 10, 240)
ALICE, BOB = Participant("alice", "Alice"), Participant("bob")
QUESTION = "What do you see?"


def frame(colour: tuple[int, int, int], width: int = 1280, height: int = 720) -> VideoFrame:
    return VideoFrame(width, height, SystemClock().boot(), Rgb(width, height, bytes(colour) * (width * height)))


def request(*pictures: Seen, after: tuple[Message, ...] = ()) -> ModelRequest:
    earlier = (Message(Role.USER, "Hello."), Message(Role.ASSISTANT, "Hi."))
    return ModelRequest("Be brief.", (*earlier, Message(Role.USER, QUESTION), *after), (), pictures)


def seeing(server: FakeGemini, **more: Any) -> models.LLM:
    return models.LLM(api_key=KEY, base_url=server.url, backoff=Backoff(first_seconds=0.01), **{"pictures": 1} | more)


async def text(model: models.LLM, asked: ModelRequest) -> str:
    try:
        return "".join([piece.text async for piece in model.respond(asked) if isinstance(piece, TextDelta)])
    finally:
        await model.close()


async def test_a_picture_goes_before_the_last_question_and_is_made_small(gemini: FakeGemini) -> None:
    assert await text(seeing(gemini), request(Seen(ALICE, frame(RED)))) == "I see red."
    hello, _, question = gemini.asked[0]["contents"]
    assert hello["parts"] == [{"text": "Hello."}]
    picture, asked = question["parts"]
    assert asked == {"text": QUESTION}
    assert picture_of(picture["inlineData"]).size == (768, 432)


async def test_several_pictures_say_whose_they_are(gemini: FakeGemini) -> None:
    model = seeing(gemini, pictures=2, picture_side=64)
    asked = request(Seen(ALICE, frame(GREEN)), Seen(BOB, frame(BLUE, 48, 64)))
    assert await text(model, asked) == "I see green and blue."
    parts = gemini.asked[0]["contents"][-1]["parts"]
    assert [part["text"] for part in parts if "text" in part] == [
        "The picture of Alice:",
        "The picture of bob:",
        QUESTION,
    ]
    assert [picture_of(part["inlineData"]).size for part in parts if "inlineData" in part] == [(64, 36), (48, 64)]


async def test_a_question_that_is_asked_again_has_its_picture_made_once(gemini: FakeGemini) -> None:
    asked: list[tuple[int, int]] = []

    class Picture:
        def rgb(self, width: int, height: int) -> bytes:
            asked.append((width, height))
            return bytes(RED) * (width * height)

    gemini.faults.append(Fault(status=503))
    shown = Seen(ALICE, VideoFrame(1280, 720, 0.0, Picture()))
    assert await text(seeing(gemini), request(shown)) == "I see red."
    assert len(gemini.requests) == 2
    assert asked == [(768, 432)]


def test_a_model_that_is_to_see_nothing_wishes_for_no_video() -> None:
    assert models.LLM(api_key=KEY).picture_wish is None
    assert models.LLM(api_key=KEY, pictures=3, picture_age_seconds=2.0).picture_wish is not None


def test_seeing_needs_pillow_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    models.LLM(api_key=KEY)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'greenroom\[video\]'"):
        models.LLM(api_key=KEY, pictures=1)


class ShowingEdge(wav.Edge):
    """A caller who holds something into the camera, 15 frames a second."""

    def __init__(self, caller: wav.Caller, colour: tuple[int, int, int]) -> None:
        super().__init__(caller)
        self._colour = colour
        self.wanted: bool | None = None
        self.showing: asyncio.Task[None] | None = None

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> wav.edge.Connection:
        self.wanted = sink.wants_video
        self.showing = asyncio.create_task(self._show(sink))
        return await super().join(call, user, session_id, sink)

    async def _show(self, sink: CallSink) -> None:
        while True:
            sink.video_received(Participant("caller", "Caller"), frame(self._colour))
            await asyncio.sleep(1 / 15)

    async def close(self) -> None:
        if self.showing is not None:
            self.showing.cancel()
            await asyncio.wait((self.showing,))


@pytest.mark.parametrize(("colour", "name"), [(RED, "red"), (BLUE, "blue")])
async def test_asked_by_voice_the_agent_says_aloud_what_it_is_shown(
    colour: tuple[int, int, int], name: str, deepgram: FakeDeepgram, elevenlabs: FakeElevenLabs, gemini: FakeGemini
) -> None:
    pytest.importorskip("hibari", reason="the extra `local` is not installed")
    deepgram.texts = deque([QUESTION])
    edge = ShowingEdge(wav.Caller((QUESTION,), voice=local.TTS(seed=7), hang_up_after_answer=True), colour)
    agent = Agent(
        edge=edge,
        agent_user=User(name="Assistant", id="agent"),
        llm=seeing(gemini),
        stt=ears.STT(api_key=KEY, base_url=deepgram.url),
        tts=voices.TTS(api_key=KEY, base_url=elevenlabs.url),
    )
    errors: list[AgentErrorEvent] = []

    @agent.subscribe
    def keep(event: AgentErrorEvent) -> None:
        errors.append(event)

    async with asyncio.timeout(60), agent.join(await agent.create_call("default", "call-1")):
        await agent.finish()
    assert edge.wanted
    assert errors == []
    assert [message.text for message in agent.conversation.messages] == [QUESTION, f"I see {name}."]
    assert [asked["text"] for asked in elevenlabs.asked] == [f"I see {name}."]
    assert len(gemini.asked) == 1
