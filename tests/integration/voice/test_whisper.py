"""Whisper on speech that the offline voice makes: exact texts, on time, without a network."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from array import array
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.fakes import scripted_voice as scripted

from greenroom.agent import Agent, User
from greenroom.agent.audio import silence
from greenroom.plugins import local
from greenroom.testing import Conversation, ScriptedTTS
from greenroom.warmup import WarmupCache
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("ctranslate2", reason="the extra `whisper` is not installed")
pytest.importorskip("hibari", reason="the extra `local` is not installed")

SENTENCES = (
    "What is the weather in Boston?",
    "I would like to cancel my subscription.",
    "Tell me a short story about a fox and a bear.",
    "Yes.",
)


async def speech(text: str, pause_seconds: float = 0.0) -> bytes:
    pieces = [pcm async for pcm in local.TTS(seed=7).synthesize(text)]
    return silence(0.3) + silence(pause_seconds).join(pieces) + silence(0.3)


async def understood(pcm: bytes, stt: local.Whisper, seconds_per_chunk: float = 0.0) -> tuple[str, list[str]]:
    utterance, partials = stt.utterance(), []
    for start in range(0, len(pcm), 1024):
        if partial := await utterance.feed(pcm[start : start + 1024]):
            partials.append(partial)
        await asyncio.sleep(seconds_per_chunk)
    return await utterance.finish(), partials


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_it_understands_every_word(sentence: str) -> None:
    text, _ = await understood(await speech(sentence), local.Whisper())
    assert text == sentence


async def test_it_shows_what_it_has_so_far_while_the_user_speaks() -> None:
    sentence = "Please book a table for four people tomorrow evening at seven."
    text, partials = await understood(await speech(sentence), local.Whisper(), 0.032)
    assert text == sentence
    assert partials, "how many depends on the machine"
    assert partials[0].startswith("Please book")
    assert len(partials[0]) < len(sentence)


async def test_one_word_in_noise_is_not_said_over_and_over() -> None:
    noise = Random(5)
    for word in ("Sure.", "Okay.", "No."):
        pcm = array("h", await speech(word))
        loud = max(pcm) // 8
        noisy = array("h", (max(-32768, min(32767, sample + noise.randint(-loud, loud))) for sample in pcm))
        text, _ = await understood(noisy.tobytes(), local.Whisper(partial_seconds=None))
        assert text.rstrip(".?!") == word.rstrip(".")


async def test_sound_without_words_is_no_text() -> None:
    noise = Random(5)
    hiss = array("h", (noise.randint(-800, 800) for _ in range(16_000))).tobytes()
    for pcm in (silence(1.0), hiss, scripted.tone(0.5)):
        assert (await understood(pcm, local.Whisper()))[0] == ""


async def test_more_than_half_a_minute_is_understood_to_its_end() -> None:
    told = [f"This is sentence number {name} of a very long story." for name in ("one", "two", "three", "four")]
    pcm = await speech(" ".join(told * 4), pause_seconds=0.4)
    assert len(pcm) > 32_000 * 45
    text, _ = await understood(pcm, local.Whisper())
    assert text.count("very long story") == 16
    assert text.startswith("This is sentence number")


async def test_many_sessions_share_one_model_and_each_gets_its_own_text() -> None:
    cache = WarmupCache()
    ears = [local.Whisper() for _ in range(6)]
    for one in ears:
        await one.warmup(cache)
    assert len({id(one._model) for one in ears}) == 1
    sounds = [await speech(SENTENCES[number % len(SENTENCES)]) for number in range(len(ears))]
    texts = await asyncio.gather(*(understood(pcm, one) for pcm, one in zip(sounds, ears, strict=True)))
    assert [text for text, _ in texts] == [SENTENCES[number % len(SENTENCES)] for number in range(len(ears))]


async def test_an_agent_hears_by_it_and_has_the_text_when_the_turn_ends() -> None:
    def create_agent() -> Agent:
        return Agent(
            edge=scripted.Edge(SystemClock()),
            agent_user=User(id="agent"),
            llm=local.LLM(),
            stt=local.Whisper(),
            vad=local.VAD(),
            tts=ScriptedTTS(),
        )

    async with Conversation(create_agent) as talk:
        turn = await talk.speak(await speech(SENTENCES[0]) + silence(0.5))
        turn.expect_heard(SENTENCES[0])
        turn.expect_said(f"You said: {SENTENCES[0]}")
        latency = talk.agent.metrics.to_dict()["stt_latency_ms__avg"]
        assert 0 <= latency < 20_000, "mostly 0, as it is asked in the pause: how fast is for the bench"


TRANSCRIBE_WITHOUT_A_NETWORK = """
import asyncio, sys

def forbid(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        if event == "socket.connect" or event.startswith(("socket.get", "socket.send")):
            raise SystemExit(f"{event} {arguments[1:]}")

sys.addaudithook(forbid)
from greenroom.plugins import local

async def transcribe():
    stt = local.Whisper()
    await stt.start()
    utterance = stt.utterance()
    await utterance.feed(sys.stdin.buffer.read())
    print(await utterance.finish())

asyncio.run(transcribe())
print(*({"onnxruntime", "huggingface_hub", "requests", "httpx"} & sys.modules.keys()))
"""


async def test_it_asks_no_network_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", TRANSCRIBE_WITHOUT_A_NETWORK],
        env=environment,
        input=await speech(SENTENCES[0]),
        capture_output=True,
        check=True,
        timeout=240,
    )
    assert done.stdout.decode().split("\n") == [SENTENCES[0], "", ""]
    assert list(tmp_path.rglob("*")) == []


FORK = """
import asyncio, os, sys
from greenroom.plugins import local

async def hear(pcm):
    stt = local.Whisper()
    await stt.start()
    utterance = stt.utterance()
    await utterance.feed(pcm)
    return await utterance.finish()

pcm = sys.stdin.buffer.read()
asyncio.run(local.Whisper().warmup())
from greenroom.isolation.executors import end_threads
end_threads()
child = os.fork()
if child == 0:
    print(asyncio.run(hear(pcm)), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(asyncio.run(hear(pcm)))
"""


async def test_a_forked_process_hears_as_well() -> None:
    """The model's workers do not live on in a fork; it would wait for them for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORK], input=await speech(SENTENCES[1]), capture_output=True, check=True, timeout=240
    )
    assert done.stdout.decode().splitlines() == [SENTENCES[1]] * 2
