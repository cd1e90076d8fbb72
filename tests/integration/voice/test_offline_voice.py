"""Real engines: the question is made by the voice, heard by the ears, answered aloud, recorded, measured."""

from __future__ import annotations

import asyncio
import runpy
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenroom.agent.audio import SAMPLE_RATE, peak, seconds_of, silence
from greenroom.agent.events import AgentTurnStartedEvent, ToolCalledEvent, UserTranscriptEvent
from greenroom.plugins import local
from greenroom.warmup import WarmupCache

if TYPE_CHECKING:
    from greenroom.agent import Agent

pytest.importorskip("hibari", reason="the extra `local` is not installed")

EXAMPLE = Path(__file__).parents[3] / "examples" / "voice_agent.py"


def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE), run_name="voice_agent")


async def speech(text: str) -> bytes:
    return b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(text)])


async def understood(pcm: bytes, stt: local.STT) -> str:
    utterance = stt.utterance()
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return await utterance.finish()


async def test_the_voice_with_a_seed_gives_the_same_sound_each_time() -> None:
    first, second = await speech("What is the weather in Boston?"), await speech("What is the weather in Boston?")
    assert first == second
    assert 1.0 < seconds_of(first) < 4.0
    assert peak(first) > 3_000


async def test_the_voice_speaks_sentence_by_sentence() -> None:
    pieces = [pcm async for pcm in local.TTS(seed=1).synthesize("It is sunny. Tomorrow it rains.")]
    assert len(pieces) == 2


async def test_nobody_waits_for_silence_before_a_sentence() -> None:
    for text in ("Hello!", "Six.", "What is the weather in Boston?"):
        pcm = await speech(text)
        step = int(SAMPLE_RATE * 0.01) * 2
        audible = [peak(pcm[start : start + step]) > 300 for start in range(0, len(pcm), step)]
        assert audible.index(True) <= 5, text
        assert audible[::-1].index(True) <= 21, text


async def test_the_ears_understand_and_show_what_they_have_so_far() -> None:
    utterance = local.STT().utterance()
    pcm = silence(0.3) + await speech("What is the weather in Boston?") + silence(0.3)
    partials = [
        partial for start in range(0, len(pcm), 1024) if (partial := await utterance.feed(pcm[start : start + 1024]))
    ]
    words = (await utterance.finish()).split()
    assert {"weather", "boston"} <= set(words)
    assert len(partials) >= 3
    assert len(partials[0]) < len(partials[-1])


async def test_activity_is_high_in_speech_and_low_around_it() -> None:
    vad = local.VAD()
    await vad.start()
    pcm = silence(0.5) + await speech("What is the weather in Boston?") + silence(0.5)
    chunks = [pcm[start : start + vad.chunk_bytes] for start in range(0, len(pcm) - vad.chunk_bytes, vad.chunk_bytes)]
    activity = [vad.speech_probability(chunk) for chunk in chunks]
    assert max(activity[:12]) < 0.2
    assert sorted(activity[20:50])[15] > 0.9
    assert activity[-1] < 0.2
    await vad.close()


async def test_a_detector_is_used_again_by_the_next_call_and_remembers_nothing() -> None:
    pcm = await speech("What is the weather in Boston?")
    chunks = [pcm[start : start + 1024] for start in range(0, len(pcm) - 1024, 1024)]
    heard, counts = [], []
    for _ in range(3):
        vad = local.VAD()
        await vad.start()
        heard.append([vad.speech_probability(chunk) for chunk in chunks])
        await vad.close()
        counts.append(vad._detectors.free_count)
    assert heard[0] == heard[1] == heard[2]
    assert counts == [counts[0]] * 3


async def test_more_speakers_than_decoders_take_turns_and_nobody_is_lost() -> None:
    stt = local.STT(max_decoders=2)
    pcm = await speech("Hello, how are you?")
    texts = await asyncio.gather(*(understood(pcm, stt) for _ in range(5)))
    assert len(set(texts)) == 1, "each starts afresh: what one said must not colour the next"
    assert "how" in texts[0]
    assert stt._pool.count == 2


async def test_a_listener_who_gives_up_leaves_its_decoder_to_the_next() -> None:
    stt = local.STT(max_decoders=1)
    pcm = await speech("Hello, how are you?")
    for _ in range(3):
        utterance = stt.utterance()
        feeding = asyncio.create_task(utterance.feed(pcm))
        await asyncio.sleep(0)
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding
        await utterance.abandon()
    assert "how" in await understood(pcm, stt)
    assert stt._pool.count == 1


async def test_what_one_agent_has_warmed_up_all_others_use() -> None:
    cache = WarmupCache()
    first, second = [(local.TTS(), local.STT(), local.VAD()) for _ in range(2)]
    for part in (*first, *second):
        await part.warmup(cache)
    decoders = second[1]._pool.count
    for part in second:
        await part.start()
    assert decoders >= 1
    assert second[0]._voice is first[0]._voice
    assert second[1]._pool is first[1]._pool
    assert second[1]._pool.count == decoders, "a warm agent loads nothing more"
    for part in second:
        await part.close()


async def test_the_example_hears_the_question_calls_its_function_and_answers_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "greenroom.agent")
    monkeypatch.setenv("GREENROOM_RECORD_DIR", str(tmp_path))
    program = example()
    agent: Agent = await program["create_agent"](hang_up_after_answer=True)
    agent.adopt_id("session-1")
    events: list[UserTranscriptEvent | ToolCalledEvent | AgentTurnStartedEvent] = []

    @agent.subscribe
    def keep(event: UserTranscriptEvent | ToolCalledEvent | AgentTurnStartedEvent) -> None:
        events.append(event)

    async with asyncio.timeout(180):
        await program["join_call"](agent, "default", "call-1")

    (heard,) = [event.text for event in events if isinstance(event, UserTranscriptEvent) and event.final]
    assert {"weather", "boston"} <= set(heard.split())
    (called,) = [event for event in events if isinstance(event, ToolCalledEvent)]
    assert (called.name, called.output) == ("get_weather", "The weather in Boston is sunny and 72°F.")
    (started,) = [event for event in events if isinstance(event, AgentTurnStartedEvent)]
    assert started.response_seconds is not None
    assert 0.3 < started.response_seconds < 60.0  # how fast is for the bench: machines that test are busy
    await assert_recorded(tmp_path / "session-1.wav")
    assert_measured(agent)
    assert "[session-1] transcript user: " in caplog.text
    assert "[session-1] transcript agent: The weather in Boston is sunny and 72°F." in caplog.text


async def assert_recorded(path: Path) -> None:
    with wave.open(str(path)) as recorded:
        assert recorded.getframerate() == SAMPLE_RATE
        pcm = recorded.readframes(recorded.getnframes())
    assert seconds_of(pcm) > 1.0
    assert peak(pcm) > 3_000
    words = set((await understood(silence(0.3) + pcm + silence(0.3), local.STT())).split())
    assert {"weather", "boston"} <= words, words


def assert_measured(agent: Agent) -> None:
    figures = agent.metrics.to_dict()
    voice = [name for name in figures if name.startswith(("stt_", "tts_", "llm_", "turn_"))]
    assert len(voice) == 13
    assert all(figures[name] for name in voice), figures
    assert figures["llm_tool_calls__total"] == 1
    assert figures["tts_characters__total"] == len("The weather in Boston is sunny and 72°F.")


async def test_a_silent_caller_stays_until_the_session_is_closed() -> None:
    program = example()
    agent: Agent = await program["create_agent"]("Hello, how are you?")
    answered = asyncio.Event()

    @agent.subscribe
    def on_answer(event: AgentTurnStartedEvent) -> None:
        answered.set()

    session = asyncio.create_task(program["join_call"](agent, "default", "call-1"))
    async with asyncio.timeout(120):
        await agent.wait_joined()
        await answered.wait()
    assert not session.done()
    assert agent.idle_for() == 0.0
    assert agent.on_call_for() > 1.0
    await agent.close()
    async with asyncio.timeout(60):
        await session


async def test_a_question_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="question: it takes a text of 1 to 300"):
        await example()["create_agent"]("x" * 301)
