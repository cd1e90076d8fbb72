"""Spoken to at this machine, with the real engines: a question by microphone, the answer by loudspeaker.

The sound card alone is played: one that runs in real time, in threads of its own.
"""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING

from tests.unit.console.sounding import Card

from greenroom import Agent, AgentLauncher, User, console
from greenroom.agent.audio import FRAME_BYTES, FRAME_SECONDS, peak, silence
from greenroom.console.program import Invitation, one_session
from greenroom.console.screen import Screen
from greenroom.plugins import local

if TYPE_CHECKING:
    import pytest

PATIENCE_SECONDS = 180


def create_agent() -> Agent:
    agent = Agent(
        edge=console.Edge(),
        agent_user=User(name="Assistant", id="agent"),
        llm=local.LLM(),
        stt=local.STT(),
        tts=local.TTS(seed=1),
        vad=local.VAD(),
    )

    @agent.llm.register_function()
    async def get_weather(location: str) -> str:
        return f"The weather in {location} is sunny."

    return agent


async def join_call(agent: Agent, call_type: str, call_id: str) -> None:
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call):
        await agent.finish()


async def in_real_time(card: Card, said: bytes) -> bytes:
    """The card's two threads at work, the person saying `said` first; what came out of the loudspeaker, when it has
    been silent for a second after it was not."""
    loop, played, quiet = asyncio.get_running_loop(), bytearray(), 0.0
    begun = loop.time()
    for number in range(int(PATIENCE_SECONDS / FRAME_SECONDS)):
        await asyncio.sleep(max(0.0, begun + number * FRAME_SECONDS - loop.time()))
        start = number * FRAME_BYTES
        await asyncio.to_thread(card.record, said[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
        frame = await asyncio.to_thread(card.play)
        audible = peak(frame) > 64
        quiet = 0.0 if audible else quiet + FRAME_SECONDS
        played += frame if played or audible else b""
        if played and quiet > 1.0:
            return bytes(played)
    raise AssertionError("no answer was played")


async def test_a_spoken_question_is_heard_answered_aloud_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    card, shown = Card(), io.StringIO()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody types
    caller = local.TTS(seed=7)
    question = b"".join([pcm async for pcm in caller.synthesize("What is the weather in Boston?")])
    screen = Screen(shown, interactive=True)
    session = asyncio.create_task(
        one_session(AgentLauncher(create_agent, join_call), Invitation("default", "c-1"), screen)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "microphone and loudspeaker are on" not in shown.getvalue():
            await asyncio.sleep(0.05)
    played = await in_real_time(card, silence(0.3) + question + silence(1.0))
    session.cancel()
    await asyncio.wait((session,))
    text = shown.getvalue()
    assert "you: what is the weather in boston" in text.lower()
    assert "-> get_weather(location='Boston') The weather in Boston is sunny." in text
    assert "agent: The weather in Boston is sunny." in text
    assert "first sound after" in text
    assert len(played) > FRAME_BYTES * 50  # a second of speech at least
    assert [stream.running for stream in card.opened] == [False, False]
