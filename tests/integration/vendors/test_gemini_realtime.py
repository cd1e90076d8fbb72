"""gemini.Realtime on the real SDK against a fake of the Live API over TLS."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from tests.fakes.gemini.live import FakeLive
from tests.fakes.gemini.server import called, said
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent.audio import SAMPLE_RATE, seconds_of, silence
from greenroom.agent.conversation import Message, Role
from greenroom.agent.interfaces import Usage
from greenroom.agent.realtime import (
    CallsWanted,
    Offer,
    Opening,
    PictureGiven,
    RealtimeTrouble,
    ReplyDropped,
    ReplyOver,
    ReplySound,
    ReplyWords,
    ResultGiven,
    Said,
    SoundGiven,
    TextGiven,
    UserBegan,
    UserOver,
    UserSaid,
)
from greenroom.agent.tools import ToolResult
from greenroom.agent.video import VideoFrame
from greenroom.plugins import gemini as plugin
from greenroom.plugins.gemini import live
from greenroom.plugins.gemini.client import CLIENTS
from greenroom.plugins.vendor import Backoff, VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)
PATIENCE_SECONDS = 30.0
QUESTION = "What is the weather in Boston?"
T = TypeVar("T")


@pytest.fixture
def server(gemini_live: FakeLive) -> FakeLive:
    gemini_live.pace = 5.0
    return gemini_live


def model(server: FakeLive, **more: Any) -> plugin.Realtime:
    return plugin.Realtime(**{"api_key": KEY, "base_url": server.url, "backoff": QUICK} | more)


def speech(seconds: float = 0.6, after: float = 0.7) -> list[bytes]:
    """Pieces of sound that the fake takes for a turn."""
    pcm = (8000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds) + silence(after)
    return [pcm[start : start + 1280] for start in range(0, len(pcm), 1280)]


class Talk:
    """A call as the model sees it, and all that it said."""

    def __init__(self, model: plugin.Realtime, messages: tuple[Message, ...] = ()) -> None:
        self.model = model
        self.messages = messages
        self.said: list[Said] = []
        self._offers: deque[Offer] = deque()
        self._acts: dict[type, Callable[[], None]] = {}
        self._changed = asyncio.Condition()
        self.running: asyncio.Task[None] | None = None

    def opening(self) -> Opening:
        return Opening("Be brief.", self.messages, self.model.toolbox.tools)

    async def next(self, patience_seconds: float | None) -> Offer | None:
        async with self._changed:
            try:
                async with asyncio.timeout(patience_seconds):
                    await self._changed.wait_for(lambda: self._offers)
            except TimeoutError:
                return None
            return self._offers.popleft()

    async def give(self, *offers: Offer) -> None:
        async with self._changed:
            self._offers.extend(offers)
            self._changed.notify_all()

    async def speak(self, seconds: float = 0.6) -> None:
        await self.give(*map(SoundGiven, speech(seconds)))

    def hear(self, said: Said) -> None:
        self.said.append(said)
        if (act := self._acts.get(type(said))) is not None:
            act()

    def when(self, kind: type[Said], act: Callable[[], None]) -> None:
        """At the moment at which it says one of this kind, before it goes on."""
        self._acts[kind] = act

    async def until(self, kind: type[T], count: int = 1) -> T:
        """The `count`th that it said of this kind; the end of `converse` is an error."""
        assert self.running is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.all(kind)) < count:
                if self.running.done():
                    self.running.result()
                await asyncio.sleep(0.01)
        return self.all(kind)[count - 1]

    def all(self, kind: type[T]) -> list[T]:
        return [value for value in self.said if isinstance(value, kind)]

    @property
    def words(self) -> str:
        return "".join(value.text for value in self.all(ReplyWords))

    @property
    def sound(self) -> bytes:
        return b"".join(value.pcm for value in self.all(ReplySound))


@asynccontextmanager
async def talking(model: plugin.Realtime, *messages: Message) -> AsyncIterator[Talk]:
    talk = Talk(model, messages)
    try:
        await model.prepare(talk.opening)
        talk.running = asyncio.create_task(model.converse(talk.opening, talk, talk.hear))
        yield talk
    finally:
        if talk.running is not None:
            talk.running.cancel()
            with suppress(asyncio.CancelledError, VendorError):
                await talk.running
        await model.close()
        assert CLIENTS.count == 0


async def test_speech_is_heard_and_answered_in_sound(server: FakeLive) -> None:
    server.texts.append("Hello there")
    async with talking(model(server, voice="Puck", language="en-US")) as talk:
        await talk.speak()
        await talk.until(Usage)
    assert talk.words == "You said: Hello there"
    assert seconds_of(talk.sound) == pytest.approx(4 * 0.15, abs=0.01)
    kinds = [type(value) for value in talk.said if not isinstance(value, ReplySound | ReplyWords)]
    assert kinds[0] is UserBegan
    assert kinds[-4:] == [UserOver, UserSaid, ReplyOver, Usage]
    (setup,) = server.setups
    assert setup["model"] == "models/gemini-3.8-live"
    assert setup["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert setup["generationConfig"]["speechConfig"] == {
        "language_code": "en-US",
        "voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}},
    }
    assert setup["inputAudioTranscription"] == setup["outputAudioTranscription"] == {}


async def test_a_function_is_declared_asked_for_and_answered(server: FakeLive) -> None:
    server.texts.append(QUESTION)
    asking = model(server)

    @asking.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        return "sunny"

    async with talking(asking) as talk:
        await talk.speak()
        (call,) = (await talk.until(CallsWanted)).calls
        assert (call.name, call.arguments) == ("get_weather", {"location": "Boston"})
        assert UserSaid(QUESTION) in talk.said
        await talk.give(ResultGiven(ToolResult(call, "Sunny and warm.", failed=False, duration_seconds=0.1)))
        await talk.until(ReplyOver)
    assert talk.words == "Sunny and warm."
    (declared,) = server.setups[0]["tools"][0]["functionDeclarations"]
    assert declared["description"] == "Get the current weather for a location"
    assert server.given[-1]["tool_response"]["functionResponses"][0]["id"] == call.id


async def test_calls_side_by_side_are_answered_one_by_one(server: FakeLive) -> None:
    server.answers.append([*called("a", {"x": 1})[:1], *called("b", {})])
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Call both."))
        calls = (await talk.until(CallsWanted)).calls
        assert [call.name for call in calls] == ["a", "b"]
        for call in reversed(calls):
            await talk.give(ResultGiven(ToolResult(call, f"{call.name} is done.", failed=False, duration_seconds=0.1)))
        await talk.until(ReplyOver)
    assert talk.words == "b is done. a is done."


async def test_who_speaks_interrupts(server: FakeLive) -> None:
    server.pace = 1.0
    server.texts.append("Stop")
    server.answers.append(said("This is a long story that goes on and on and on for a good while, as they do. " * 4))
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Tell me a story."))
        await talk.until(ReplySound, 3)
        await talk.speak()
        await talk.until(ReplyDropped)
        await talk.until(ReplyOver)
    kinds = [type(value) for value in talk.said]
    assert kinds.index(UserBegan) < kinds.index(ReplyDropped) < kinds.index(UserSaid)
    assert talk.words.endswith("You said: Stop")


async def test_a_text_interrupts_without_a_user_turn(server: FakeLive) -> None:
    server.pace = 1.0
    server.answers.append(said("This is a long story that goes on and on. " * 4))
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Tell me a story."))
        await talk.until(ReplySound, 2)
        await talk.give(TextGiven("Enough"))
        await talk.until(ReplyOver)
    assert talk.all(UserBegan) == []
    assert len(talk.all(ReplyDropped)) == 1
    assert talk.words.endswith("You said: Enough")


async def test_words_that_come_late_are_the_users_all_the_same(server: FakeLive) -> None:
    server.late_words = True
    server.texts.append("Hello there")
    async with talking(model(server)) as talk:
        await talk.speak()
        await talk.until(ReplyOver)
    assert talk.all(UserSaid) == [UserSaid("Hello there")]
    assert len(talk.all(UserBegan)) == 1


async def test_a_pause_of_the_sound_is_told_once(server: FakeLive) -> None:
    async with talking(model(server)) as talk:
        await talk.give(SoundGiven(silence(0.04)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.given:
                await asyncio.sleep(0.01)
        await talk.give(TextGiven("Hello"))
        await talk.until(ReplyOver)
    assert server.given[0] == {"realtime_input": {"audioStreamEnd": True}}
    assert len(server.given) == 2


class Red:
    def rgb(self, width: int, height: int) -> bytes:
        return b"\xff\x00\x00" * width * height


async def test_a_picture_is_sent_as_a_jpeg_no_larger_than_wished(server: FakeLive) -> None:
    image = pytest.importorskip("PIL.Image")
    import io

    async with talking(model(server, fps=1.0, picture_side=320)) as talk:
        await talk.give(PictureGiven(VideoFrame(1280, 720, 0.0, Red())))
        await talk.give(TextGiven("What do you see?"))
        await talk.until(ReplyOver)
    (picture,) = server.pictures
    assert image.open(io.BytesIO(picture)).size == (320, 180)


async def test_a_picture_that_cannot_be_made_is_reported(server: FakeLive) -> None:
    class Broken:
        def rgb(self, width: int, height: int) -> bytes:
            raise OSError("no pixels")

    async with talking(model(server, fps=1.0)) as talk:
        await talk.give(PictureGiven(VideoFrame(8, 8, 0.0, Broken())), TextGiven("Hello"))
        await talk.until(ReplyOver)
    assert str(talk.all(RealtimeTrouble)[0].error) == "no pixels"


# --- connections that end -------------------------------------------------------------------------------


async def test_the_session_goes_on_over_another_connection_when_gemini_says_so(server: FakeLive) -> None:
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("One"))
        await talk.until(Usage)
        await server.go_away(5)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(server.setups) < 2 or not server.open:
                await asyncio.sleep(0.01)
        await talk.give(TextGiven("Two"))
        await talk.until(Usage, 2)
    assert server.setups[1]["sessionResumption"] == {"handle": "handle-0"}
    assert "You said: Two" in talk.words
    assert talk.all(RealtimeTrouble) == []
    assert [content["parts"][0]["text"] for content in server.kept["handle-1"]][::2] == ["One", "Two"]
    assert not any("client_content" in given for given in server.given), "Gemini knows what was said"


async def test_a_reply_under_way_is_waited_for_before_the_connection_is_left(server: FakeLive) -> None:
    server.pace = 1.0
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("One two three four five six"))
        await talk.until(ReplySound, 2)
        connections_at_its_end: list[int] = []
        talk.when(ReplyOver, lambda: connections_at_its_end.append(len(server.setups)))
        await server.go_away(5)
        await talk.until(ReplyOver)
        assert connections_at_its_end == [1]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(server.setups) < 2:
                await asyncio.sleep(0.01)
    assert talk.words == "You said: One two three four five six"
    assert talk.all(ReplyOver) == [ReplyOver(whole=True)]


async def test_a_connection_that_gemini_ends_under_a_reply_is_left_in_time(server: FakeLive) -> None:
    server.pace = 1.0
    server.answers.append(said("word " * 40))
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Tell me all"))
        await talk.until(ReplySound, 2)
        await server.go_away(0.3)
        await talk.until(ReplyOver)
        await talk.give(TextGiven("Two"))
        await talk.until(ReplyOver, 2)
    assert talk.all(ReplyOver)[0] == ReplyOver(whole=False)
    assert "You said: Two" in talk.words


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(cut=True, after=4), "closed the connection|hung up"),
        (Fault(stall=True, after=4), r"sent nothing for 1 s"),
    ],
)
async def test_a_connection_that_breaks_in_a_reply_is_reported_and_made_again(
    server: FakeLive, fault: Fault, says: str
) -> None:
    server.faults.append(fault)
    async with talking(model(server, next_sound_seconds=1.0)) as talk:
        await talk.give(TextGiven("One two three"))
        assert (await talk.until(ReplyOver)) == ReplyOver(whole=False)
        trouble = await talk.until(RealtimeTrouble)
        with pytest.raises(VendorError, match=says):
            raise trouble.error
        await talk.give(TextGiven("Hello"))
        await talk.until(ReplyOver, 2)
    assert talk.words.endswith("You said: Hello")
    assert len(talk.all(RealtimeTrouble)) == 1


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(stall=True)])
async def test_a_text_that_nothing_came_of_is_asked_again(server: FakeLive, fault: Fault) -> None:
    server.faults.append(fault)
    async with talking(model(server, first_reply_seconds=1.0)) as talk:
        await talk.give(TextGiven("Hello"))
        await talk.until(ReplyOver)
    assert talk.words == "You said: Hello"
    assert len(server.setups) == 2


async def test_what_the_user_said_before_a_cut_is_answered_after_it(server: FakeLive) -> None:
    server.faults.append(Fault(cut=True, after=2))
    server.texts.append("Hello there")
    async with talking(model(server)) as talk:
        await talk.speak()
        await talk.until(ReplyOver)
    assert talk.all(UserSaid) == [UserSaid("Hello there")]
    assert talk.words == "You said: Hello there"


async def test_without_a_handle_the_conversation_is_told_anew(server: FakeLive) -> None:
    server.resumable = False
    server.faults.append(Fault(cut=True, after=5))
    async with talking(model(server)) as talk:
        talk.messages = (Message(Role.USER, "My name is Ann."), Message(Role.ASSISTANT, "Hi Ann."))
        await talk.give(TextGiven("One two three"))
        await talk.until(RealtimeTrouble)
        await talk.give(TextGiven("Who am I?"))
        await talk.until(ReplyOver, 2)
    first, second = server.setups
    assert "historyConfig" not in first
    assert second["historyConfig"] == {"initial_history_in_client_content": True}
    (told,) = [given["client_content"] for given in server.given if "client_content" in given]
    assert told["turnComplete"]
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in told["turns"]] == [
        ("user", "My name is Ann."),
        ("model", "Hi Ann."),
    ]


async def test_an_older_model_takes_a_conversation_and_its_reply_to_it_is_not_heard(server: FakeLive) -> None:
    server.pace = 1.0
    messages = (Message(Role.USER, "My name is Ann."), Message(Role.ASSISTANT, "Hi Ann."))
    async with talking(model(server, model="gemini-2.5-flash-native-audio-preview-12-2025"), *messages) as talk:
        await talk.give(TextGiven("Hello"))
        await talk.until(ReplyOver)
    assert talk.words == "You said: Hello"
    assert talk.all(UserBegan) == []


async def test_a_handle_that_is_not_known_any_more_is_dropped(server: FakeLive) -> None:
    async with talking(model(server), Message(Role.USER, "My name is Ann.")) as talk:
        await talk.give(TextGiven("One"))
        await talk.until(Usage)
        server.kept.clear()
        for session in list(server.open):
            session.abort()
        await talk.until(RealtimeTrouble)
        await talk.give(TextGiven("Two"))
        await talk.until(ReplyOver, 2)
    assert "You said: Two" in talk.words
    assert [setup["sessionResumption"].get("handle") is not None for setup in server.setups] == [False, True, False]


async def test_the_result_of_a_call_from_another_connection_is_told_in_words(server: FakeLive) -> None:
    server.answers.append(called("get_weather", {"location": "Rome"}))
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Weather?"))
        (call,) = (await talk.until(CallsWanted)).calls
        for session in list(server.open):
            session.abort()
        await talk.until(RealtimeTrouble)
        await talk.give(ResultGiven(ToolResult(call, "sunny", failed=False, duration_seconds=0.1)))
        await talk.until(ReplyOver, 2)
    assert "The function get_weather that you wanted called before gave: sunny" in talk.words


async def test_results_that_are_lost_with_the_connection_are_told_again_in_words(server: FakeLive) -> None:
    server.answers.append(called("get_weather", {"location": "Rome"}))
    server.faults.append(Fault(stall=True, after=1))
    async with talking(model(server, first_reply_seconds=1.0)) as talk:
        await talk.give(TextGiven("Weather?"))
        (call,) = (await talk.until(CallsWanted)).calls
        await talk.give(ResultGiven(ToolResult(call, "sunny", failed=False, duration_seconds=0.1)))
        await talk.until(ReplySound)
        await talk.until(ReplyOver, 2)
    assert "The function get_weather that you wanted called before gave: sunny" in talk.words
    assert len(server.setups) == 2


# --- what goes wrong ------------------------------------------------------------------------------------


async def test_a_wrong_key_keeps_from_the_call_and_is_not_shown(server: FakeLive) -> None:
    with pytest.raises(VendorError, match=r"Gemini refused the API key.*check GOOGLE_API_KEY") as caught:
        async with talking(model(server, api_key="another-key-987")):
            pass
    assert server.refused == 1
    assert "another-key-987" not in repr(caught.value.__dict__) + str(caught.value)
    assert caught.value.__context__ is None


async def test_what_the_sdk_does_not_know_keeps_from_the_call(server: FakeLive) -> None:
    with pytest.raises(ValueError, match=r"gemini\.Realtime: tempo: Extra inputs are not permitted"):
        async with talking(model(server, config={"tempo": 2})):
            pass
    assert server.requests == []


async def test_a_model_that_there_is_not_is_said_so_once(server: FakeLive) -> None:
    server.faults.append(Fault(status=1008))
    with pytest.raises(VendorError, match=r"refused the session \(close code 1008\): model not found"):
        async with talking(model(server)):
            pass
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Fault(status=429), Fault(status=503), Fault(status=1011), Fault(delay_seconds=60)])
async def test_what_passes_is_tried_again(server: FakeLive, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "DIAL_SECONDS", 2.0)
    server.faults.append(fault)
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("Hello"))
        await talk.until(ReplyOver)
    assert len(server.requests) == 2


async def test_it_is_not_tried_for_ever(server: FakeLive) -> None:
    server.faults.extend([Fault(status=429)] * 5)
    with pytest.raises(VendorError, match=r"Gemini is at its limit \(HTTP 429\): busy"):
        async with talking(model(server)):
            pass
    assert len(server.requests) == 3


async def test_a_refusal_in_the_call_ends_it(server: FakeLive) -> None:
    async with talking(model(server)) as talk:
        server.key = "changed"
        for session in list(server.open):
            session.abort()
        assert talk.running is not None
        with pytest.raises(VendorError, match="refused the API key"):
            await talk.running


async def test_nobody_there(server: FakeLive, unused_port: int) -> None:
    with pytest.raises(VendorError, match="cannot be reached"):
        async with talking(model(server, base_url=f"https://localhost:{unused_port}")):
            pass


async def test_a_certificate_that_nobody_vouches_for(server: FakeLive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(VendorError, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED"):
        async with talking(model(server)):
            pass


async def test_rubbish_is_reported_and_the_rest_is_understood(server: FakeLive) -> None:
    server.faults.append(Fault(malformed=True, after=2))
    async with talking(model(server)) as talk:
        await talk.give(TextGiven("One two three"))
        await talk.until(ReplyOver)
    assert talk.words == "You said: One two three"
    assert len(server.setups) == 1, "the connection was kept"
    assert {"cannot be read" in str(trouble.error) for trouble in talk.all(RealtimeTrouble)} == {True}


async def test_closing_at_a_server_that_does_not_answer_any_more(server: FakeLive) -> None:
    server.faults.append(Fault(stall=True, after=2))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with talking(model(server)) as talk:
            await talk.give(TextGiven("One two three"))
            await talk.until(ReplyWords)


async def test_closing_while_it_dials(server: FakeLive) -> None:
    server.faults.append(Fault(delay_seconds=30))
    asking = model(server)
    dialling = asyncio.create_task(asking.prepare(Talk(asking).opening))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.in_work:
            await asyncio.sleep(0.01)
        dialling.cancel()
        with suppress(asyncio.CancelledError):
            await dialling
        await asking.close()
    assert CLIENTS.count == 0
