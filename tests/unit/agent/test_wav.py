"""The call made of sound: pace, hanging up, staying, and recordings that stay where they belong."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, User
from greenroom.agent.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, peak, seconds_of
from greenroom.agent.interfaces import TextDelta
from greenroom.plugins import wav

if TYPE_CHECKING:
    from pathlib import Path


def agent_for(caller: wav.Caller, clock: VirtualClock, hears: list[str | Exception], record_dir: Path | None) -> Agent:
    answers = [[TextDelta("It is sunny in Boston today, and quite warm for this time of the year.")] for _ in hears]
    agent = Agent(
        edge=wav.Edge(caller, record_dir=record_dir),
        llm=scripted.Llm(clock, list(answers)),
        agent_user=User(id="agent"),
        stt=scripted.Stt(clock, hears),
        tts=scripted.Tts(clock),
        vad=scripted.Vad(),
        clock=clock,
    )
    agent.adopt_id("session-1")
    return agent


def test_a_caller_asks_hears_the_answers_and_hangs_up(tmp_path: Path) -> None:
    clock = VirtualClock()
    lines = [scripted.tone(1.0), scripted.tone(0.5)]
    agent = agent_for(wav.Caller(lines, hang_up_after_answer=True, clock=clock), clock, ["one", "two"], tmp_path / "a")

    async def scene() -> float:
        started = clock.boot()
        async with agent.join(await agent.create_call("default", "c")):
            await agent.finish()
        return clock.boot() - started

    answer = 1.5  # fifteen words
    seconds = run_virtual(scene())
    assert seconds == pytest.approx((0.3 + 1.0 + 0.32 + answer + 0.8) + (0.3 + 0.5 + 0.32 + answer + 0.8), abs=0.3)
    with wave.open(str(tmp_path / "a" / "session-1.wav")) as recorded:
        assert (recorded.getframerate(), recorded.getnchannels(), recorded.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        pcm = recorded.readframes(recorded.getnframes())
    assert seconds_of(pcm) == pytest.approx(2 * answer, abs=0.05)
    assert len(pcm) % BYTES_PER_SAMPLE == 0
    assert peak(pcm) > 1000


def test_a_caller_who_does_not_hang_up_stays_until_the_agent_leaves() -> None:
    clock = VirtualClock()
    agent = agent_for(wav.Caller([scripted.tone(1.0)], clock=clock), clock, ["one"], None)

    async def scene() -> None:
        async with agent.join(await agent.create_call("default", "c")):
            await clock.sleep(600)
            assert agent.idle_for() == 0

    run_virtual(scene())
    assert agent.conversation.messages[0].text == "one"


def test_a_caller_needs_a_voice_to_say_text() -> None:
    with pytest.raises(ValueError, match="give it voice="):
        wav.Caller(["hello"])


@pytest.mark.parametrize("session_id", ["../evil", "a/b", "", ".hidden", "a" * 300, "a\0b"])
def test_a_session_id_is_no_path(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(wav.RecordingError, match="no file name"):
        wav.Recording(tmp_path, session_id)
    assert list(tmp_path.rglob("*")) == []
    assert list(tmp_path.parent.glob("*.wav")) == []


def test_a_directory_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(wav.RecordingError, match=r"cannot record to .*session-1.wav.*make the dir"):
        wav.Recording(tmp_path / "file", "session-1")
