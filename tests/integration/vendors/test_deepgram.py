"""deepgram.STT on the real SDK against a fake of the service, both of its interfaces."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.deepgram.server import FakeDeepgram
from tests.fakes.vendor_server import KEY, Fault

from greenroom.agent.audio import SAMPLE_RATE, silence
from greenroom.agent.turn_taking import (
    Heard,
    HearingTrouble,
    SpeechBegan,
    SpeechOver,
    SpeechProbablyOver,
    SpeechSoFar,
    SpeechWentOn,
)
from greenroom.plugins import deepgram as plugin
from greenroom.plugins.deepgram import carrying, line
from greenroom.plugins.vendor import Backoff, VendorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)
CHUNK = 2560
QUESTION = "What is the weather in Boston?"


def voice(seconds: float) -> bytes:
    return (8000).to_bytes(2, "little") * int(SAMPLE_RATE * seconds)


def spoken(seconds: float = 1.5, after: float = 1.0) -> bytes:
    return silence(0.2) + voice(seconds) + silence(after)


@dataclass
class Caller:
    """The sound of a call, as fast as it is fetched; and what was heard of it."""

    sound: bytes = b""
    heard: list[Heard] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    pace_seconds: float = 0.0

    async def chunk(self, patience_seconds: float | None) -> bytes | None:
        await asyncio.sleep(self.pace_seconds)
        async with self.changed:
            try:
                async with asyncio.timeout(patience_seconds):
                    await self.changed.wait_for(lambda: self.sound)
            except TimeoutError:
                return None
            chunk, self.sound = self.sound[:CHUNK], self.sound[CHUNK:]
            return chunk

    async def say(self, sound: bytes) -> None:
        async with self.changed:
            self.sound += sound
            self.changed.notify_all()

    async def until(self, kind: type[Heard], count: int = 1, seconds: float = 30.0) -> list[Any]:
        async with asyncio.timeout(seconds):
            while len(found := self.all(kind)) < count:
                await asyncio.sleep(0.005)
        return found

    def all(self, kind: type[Heard]) -> list[Any]:
        return [heard for heard in self.heard if isinstance(heard, kind)]

    def kinds(self) -> list[type[Heard]]:
        """What was heard in its order, the texts on the way left out."""
        return [type(heard) for heard in self.heard if not isinstance(heard, SpeechSoFar)]


def stt(server: FakeDeepgram, model: str = "flux-general-en", **more: Any) -> plugin.STT:
    return plugin.STT(model=model, **{"api_key": KEY, "base_url": server.url, "backoff": QUICK} | more)


@asynccontextmanager
async def listening(ears: plugin.STT) -> AsyncIterator[Caller]:
    """A call that `ears` listen to; leaves and closes as an agent does."""
    caller = Caller()
    try:
        await ears.start()
        hearing = asyncio.create_task(ears.hear(caller, caller.heard.append))
        try:
            yield caller
        finally:
            hearing.cancel()
            await asyncio.wait((hearing,), timeout=30)
            assert hearing.done()
    finally:
        await ears.close()


# --- both interfaces ---

MODELS = pytest.mark.parametrize("model", ["flux-general-en", "nova-3"])


@MODELS
async def test_a_turn_is_begun_told_word_by_word_and_ended(deepgram: FakeDeepgram, model: str) -> None:
    deepgram.texts = deque([QUESTION, "And tomorrow?"])
    async with listening(stt(deepgram, model)) as caller:
        await caller.say(spoken() + spoken(0.5))
        first, second = await caller.until(SpeechOver, 2)
    assert caller.kinds() == [SpeechBegan, SpeechOver, SpeechBegan, SpeechOver]
    assert (first.text, second.text) == (QUESTION, "And tomorrow?")
    assert first.speech_seconds == pytest.approx(1.5, abs=0.05)
    assert first.silence_seconds == pytest.approx(0.5 if model.startswith("flux") else 0.3, abs=0.05)
    assert 0 <= first.latency_seconds < 30
    texts = [heard.text for heard in caller.all(SpeechSoFar)]
    assert len(texts) > 3
    assert all(QUESTION.startswith(text) for text in texts[:3])


@MODELS
async def test_a_goodbye_is_said(deepgram: FakeDeepgram, model: str) -> None:
    async with listening(stt(deepgram, model)):
        assert deepgram.connections == 1
    assert deepgram.received == ["CloseStream"]
    await deepgram.settled()


@MODELS
async def test_a_connection_that_breaks_in_a_turn_ends_it_and_is_dialled_again(
    deepgram: FakeDeepgram, model: str
) -> None:
    deepgram.texts = deque([QUESTION, "What is the time?"])
    deepgram.faults.append(Fault(cut=True, after=5))
    async with listening(stt(deepgram, model)) as caller:
        caller.pace_seconds = 0.001
        await caller.say(silence(0.2) + voice(2.0))
        (trouble,) = await caller.until(HearingTrouble)
        assert isinstance(trouble.error, VendorError)
        (cut,) = await caller.until(SpeechOver)
        assert QUESTION.startswith(cut.text)
        assert cut.text
        caller.sound = b""
        await caller.say(spoken())
        assert (await caller.until(SpeechOver, 2))[1].text == "What is the time?"
    assert len(deepgram.requests) == 2


@MODELS
async def test_rubbish_is_passed_over(deepgram: FakeDeepgram, model: str) -> None:
    deepgram.texts = deque([QUESTION])
    deepgram.faults.append(Fault(malformed=True, after=2))
    async with listening(stt(deepgram, model)) as caller:
        await caller.say(spoken())
        assert (await caller.until(SpeechOver))[-1].text == QUESTION
    assert caller.all(HearingTrouble)
    assert len(deepgram.requests) == 1


@MODELS
async def test_a_service_that_says_nothing_more_is_left(
    deepgram: FakeDeepgram, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "STALLED_SECONDS", 1.0)
    deepgram.texts = deque([QUESTION, QUESTION])
    deepgram.faults.append(Fault(stall=True, after=4))
    async with listening(stt(deepgram, model)) as caller:
        caller.pace_seconds = 0.001
        await caller.say(silence(0.2) + voice(3.0))
        (trouble,) = await caller.until(HearingTrouble)
        assert "said nothing about 1 s of speech" in str(trouble.error)
        await caller.say(spoken())
        assert (await caller.until(SpeechOver, 2))[1].text == QUESTION


@MODELS
async def test_a_server_that_does_not_say_goodbye_is_hung_up_on(deepgram: FakeDeepgram, model: str) -> None:
    deepgram.faults.append(Fault(stall=True))
    async with asyncio.timeout(20), listening(stt(deepgram, model)) as caller:
        await caller.say(voice(0.5))
    await deepgram.settled()


@MODELS
async def test_a_silent_caller_keeps_the_line(
    deepgram: FakeDeepgram, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "KEEPALIVE_SECONDS", 0.02)
    async with listening(stt(deepgram, model)):
        async with asyncio.timeout(30):
            while "KeepAlive" not in deepgram.received and deepgram.sound_seconds < 0.1:
                await asyncio.sleep(0.01)
    assert ("KeepAlive" in deepgram.received) == (model == "nova-3")


@MODELS
async def test_a_wrong_key_is_found_out_before_the_call_and_not_shown(deepgram: FakeDeepgram, model: str) -> None:
    ears = stt(deepgram, model, api_key="another-key-987")
    with pytest.raises(
        VendorError, match=r"Deepgram refused the API key \(HTTP 401\).*check DEEPGRAM_API_KEY"
    ) as caught:
        await ears.start()
    await ears.close()
    assert deepgram.refused == 1, "tried once"
    assert "another-key-987" not in repr(caught.value.__dict__) + str(caught.value)
    assert caught.value.__context__ is None


@MODELS
@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_is_dialled_again_and_not_for_ever(
    deepgram: FakeDeepgram, model: str, status: int
) -> None:
    deepgram.faults.append(Fault(status=status))
    ears = stt(deepgram, model)
    await ears.start()
    await ears.close()
    assert len(deepgram.requests) == 2
    deepgram.faults.extend([Fault(status=status)] * 9)
    ears = stt(deepgram, model)
    with pytest.raises(VendorError, match=f"HTTP {status}"):
        await ears.start()
    await ears.close()
    assert len(deepgram.requests) == 5


@MODELS
async def test_a_service_that_does_not_answer_the_phone_is_dialled_again(
    deepgram: FakeDeepgram, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "DIAL_SECONDS", 1.0)
    deepgram.faults.append(Fault(delay_seconds=60))
    ears = stt(deepgram, model)
    await ears.start()
    await ears.close()
    assert len(deepgram.requests) == 2


@MODELS
async def test_a_key_that_is_revoked_in_a_call_ends_the_hearing(deepgram: FakeDeepgram, model: str) -> None:
    ears, caller = stt(deepgram, model), Caller()
    deepgram.faults.append(Fault(cut=True, after=1))
    await ears.start()
    deepgram.key = "a new key"
    await caller.say(spoken())
    with pytest.raises(VendorError, match="refused the API key"):
        async with asyncio.timeout(30):
            await ears.hear(caller, caller.heard.append)
    await ears.close()


@MODELS
async def test_a_service_that_is_away_for_a_while_is_found_again(deepgram: FakeDeepgram, model: str) -> None:
    deepgram.texts = deque([QUESTION, QUESTION])
    deepgram.faults.extend([Fault(cut=True, after=1), *[Fault(status=503)] * 6])
    async with listening(stt(deepgram, model)) as caller:
        caller.pace_seconds = 0.001
        await caller.say(spoken())
        await caller.until(HearingTrouble, 7)
        await caller.say(spoken())
        assert (await caller.until(SpeechOver))[-1].text == QUESTION


async def test_nobody_there(unused_port: int) -> None:
    ears = plugin.STT(api_key=KEY, base_url=f"http://127.0.0.1:{unused_port}", backoff=QUICK)
    with pytest.raises(VendorError, match="cannot be reached"):
        await ears.start()
    await ears.close()


# --- Flux alone ---


async def test_an_eager_end_is_told_and_taken_back(deepgram: FakeDeepgram) -> None:
    deepgram.texts = deque([QUESTION])
    async with listening(stt(deepgram, eager_turn_detection=True)) as caller:
        await caller.say(silence(0.2) + voice(1.0) + silence(0.3) + voice(1.0) + silence(1.0))
        await caller.until(SpeechOver)
    assert caller.kinds() == [SpeechBegan, SpeechProbablyOver, SpeechWentOn, SpeechProbablyOver, SpeechOver]
    assert {heard.text for heard in caller.all(SpeechProbablyOver)} == {QUESTION}
    assert deepgram.asked[0]["eager_eot_threshold"] == "0.5"


async def test_flux_is_asked_for_what_was_set(deepgram: FakeDeepgram) -> None:
    ears = stt(deepgram, eot_threshold=0.8, eot_timeout_ms=4000, keyterms=["Greenroom"])
    await ears.start()
    await ears.close()
    assert deepgram.requests[0].startswith("/v2/listen")
    assert deepgram.asked[0] == {
        "model": "flux-general-en",
        "encoding": "linear16",
        "sample_rate": "16000",
        "eot_threshold": "0.8",
        "eot_timeout_ms": "4000",
        "keyterm": "Greenroom",
    }


async def test_nova_is_asked_for_what_was_set(deepgram: FakeDeepgram) -> None:
    ears = stt(deepgram, "nova-3", language="en-US", endpointing_ms=200)
    await ears.start()
    await ears.close()
    assert deepgram.requests[0].startswith("/v1/listen")
    assert deepgram.asked[0]["language"] == "en-US"
    assert deepgram.asked[0]["endpointing"] == "200"
    assert deepgram.asked[0]["interim_results"] == "true"


# --- changes within a call ---


async def test_what_it_listens_for_changes_within_the_call_and_stays_changed(deepgram: FakeDeepgram) -> None:
    deepgram.texts = deque([QUESTION, "Four seven two nine."])
    ears = stt(deepgram, keyterms=["Greenroom"])
    async with listening(ears) as caller:
        await caller.say(spoken())
        await caller.until(SpeechOver)
        assert not caller.all(SpeechProbablyOver)
        await ears.configure(eager_eot_threshold=0.4, eot_timeout_ms=9000, keyterms=["order number"])
        await caller.say(spoken())
        await caller.until(SpeechProbablyOver)
        await caller.until(SpeechOver, 2)
        assert not caller.all(HearingTrouble)
        deepgram.faults.append(None)
        await ears._line.close()  # type: ignore[union-attr] # as a broken connection does
        await caller.until(HearingTrouble)
        await caller.say(spoken())
        await caller.until(SpeechOver, 3)
    (told,) = deepgram.configured
    assert told["thresholds"] == {"eager_eot_threshold": 0.4, "eot_timeout_ms": 9000}
    assert told["keyterms"] == ["order number"]
    again = deepgram.asked[-1]
    assert (again["keyterm"], again["eot_timeout_ms"]) == ("order number", "9000"), "the next connection knows it"


async def test_a_refused_change_is_reported_and_the_call_goes_on(deepgram: FakeDeepgram) -> None:
    deepgram.texts = deque([QUESTION])
    ears = stt(deepgram)
    async with listening(ears) as caller:
        with pytest.raises(ValueError, match=r"eot_threshold=0\.1"):
            await ears.configure(eot_threshold=0.1)
        await ears.configure(keyterms=[f"word{number}" for number in range(200)])
        (trouble,) = await caller.until(HearingTrouble)
        assert "refused the configuration: too many keyterms" in str(trouble.error)
        await caller.say(spoken())
        (over,) = await caller.until(SpeechOver)
    assert over.text == QUESTION
    assert len(deepgram.asked) == 1, "no other connection was needed"


async def test_other_models_are_configured_once(deepgram: FakeDeepgram) -> None:
    with pytest.raises(ValueError, match="only Flux models are configured within a call"):
        await stt(deepgram, "nova-3").configure(keyterms=["Greenroom"])
