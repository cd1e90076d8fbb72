"""The documentation's first example on Stream: a real voice asks through Opus, a real voice answers through Opus."""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
import wave
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.fakes.stream.scene import tone

from greenroom.agent.audio import SAMPLE_RATE, peak, silence
from greenroom.agent.events import ToolCalledEvent, UserTranscriptEvent
from greenroom.plugins import local

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from tests.fakes.stream import FakeStream, Room

    from greenroom import AgentLauncher

pytest.importorskip("hibari", reason="the extra `local` is not installed")

LIMIT_SECONDS = 240.0  # three programs start on a machine that may be busy
ROOT = Path(__file__).parents[3]
AGENT_FILE = ROOT / "tests" / "fakes" / "stream" / "agents.py"


# The form of the documentation's example; its engines are scripted, so that it is soon up and soon done.
PROGRAM = """
from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.agent.interfaces import TextDelta
from greenroom.plugins import getstream
from greenroom_core.clock import SystemClock
from tests.fakes import scripted_voice as scripted
from tests.fakes.stream.scene import Tts


async def create_agent():
    clock = SystemClock()
    llm = scripted.Llm(clock, [[TextDelta("Hello.")], [TextDelta("I have heard you well.")]])
    return Agent(
        edge=getstream.Edge(),
        agent_user=User(name="Assistant", id="agent"),
        llm=llm,
        stt=scripted.Stt(clock, ["do you hear me"]),
        tts=Tts(clock),
        vad=scripted.Vad(),
    )


async def join_call(agent, call_type, call_id):
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.simple_response("Greet the user.")
        await agent.finish()


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=join_call)).cli()
"""


async def speech(text: str) -> bytes:
    return b"".join([pcm async for pcm in local.TTS(seed=7).synthesize(text)])


async def understood(pcm: bytes) -> set[str]:
    utterance = local.STT().utterance()
    pcm = silence(0.3) + pcm + silence(0.3)
    for start in range(0, len(pcm), 3200):
        await utterance.feed(pcm[start : start + 3200])
    return set((await utterance.finish()).split())


async def test_the_example_greets_hears_calls_its_function_and_answers(
    stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_API_KEY", stream.credentials.api_key)
    monkeypatch.setenv("STREAM_API_SECRET", stream.credentials.api_secret)
    monkeypatch.setenv("STREAM_BASE_URL", stream.url)
    launcher: AgentLauncher = runpy.run_path(str(AGENT_FILE), run_name="agents")["launcher"]
    question = await speech("What is the weather in Boston?")
    room: Room = stream.room("default:kitchen")
    alice = await room.enter("alice", "Alice")
    async with asyncio.timeout(LIMIT_SECONDS), launcher:
        session = await launcher.start_session("kitchen")
        heard: list[UserTranscriptEvent | ToolCalledEvent] = []

        @session.agent.subscribe
        def keep(event: UserTranscriptEvent | ToolCalledEvent) -> None:
            heard.append(event)

        seat = await room.agent()
        await seat.ear.until(lambda ear: ear.quiet_seconds >= 0.8)  # the greeting is over
        greeted = len(seat.ear.pcm)
        await alice.speak(question)
        await seat.ear.until(lambda ear: any(isinstance(event, ToolCalledEvent) for event in heard))
        answer_from = len(seat.ear.pcm)
        await seat.ear.until(lambda ear: len(ear.pcm) > answer_from + 32_000 and ear.quiet_seconds >= 0.8)
        await room.leave(alice)
        await room.end()
        await session.wait()
    (text,) = [event.text for event in heard if isinstance(event, UserTranscriptEvent) and event.final]
    assert {"weather", "boston"} <= set(text.split())
    assert {"help", "today"} & await understood(bytes(seat.ear.pcm[:greeted])), "the greeting, as the caller heard it"
    assert {"weather", "boston"} <= await understood(bytes(seat.ear.pcm[greeted:])), "the answer"


async def test_the_fake_is_a_program_and_an_agent_file_another(tmp_path: Path) -> None:
    """One process is Stream with a caller who says what is in a file, the other an agent file's `run`, as it is."""
    (tmp_path / "agent.py").write_text(PROGRAM)
    write_wav(tmp_path / "question.wav", tone(0.6))
    words = ["serve", "--call", "default:demo", "--say", "question.wav", "--record", "answer.wav"]
    async with asyncio.timeout(LIMIT_SECONDS), program(tmp_path, words, dict(os.environ)) as fake:
        assert fake.stdout is not None
        told = [(await fake.stdout.readline()).decode().strip().partition("=") for _ in range(3)]
        environment = os.environ | {name: value for name, _, value in told}
        words = ["run", "agent.py", "run", "--call-id", "demo", "--no-demo"]
        async with program(tmp_path, words, environment) as agent:
            assert await fake.wait() == 0
            assert await agent.wait() == 0
    with wave.open(str(tmp_path / "answer.wav")) as answer:
        pcm = answer.readframes(answer.getnframes())
    loud = [start for start in range(0, len(pcm), 640) if peak(pcm[start : start + 640]) > 1_000]
    assert 0.4 <= len(loud) * 0.02 <= 0.6, "five words of a tenth of a second each"


@asynccontextmanager
async def program(directory: Path, words: list[str], environment: dict[str, str]) -> AsyncIterator[Process]:
    """The fake's program; ended when the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.fakes.stream", *words),
        cwd=directory,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setframerate(SAMPLE_RATE)
        file.setsampwidth(2)
        file.setnchannels(1)
        file.writeframes(pcm)
