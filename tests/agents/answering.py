"""An agent whose edge answers the offer among its session's parameters, and does nothing else.

`answer_seconds` pass before that, `join_seconds` after it. An offer `silence` is never answered.
GREENROOM_TEST_ISOLATION is the launcher's isolation.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.agent import calls
from greenroom.testing import ScriptedLLM, ScriptedTTS

if TYPE_CHECKING:
    from greenroom.agent.calls import Call, CallSink


class Line(calls.Connection):
    async def run(self) -> None:
        await asyncio.Event().wait()

    def send_audio(self, frame: bytes) -> None:
        """Nobody hears it."""

    def clear_audio(self) -> None:
        """Nothing waits."""

    async def leave(self) -> None:
        """Nothing is held."""


class Edge(calls.Edge):
    def __init__(self, offer: str, answer_seconds: float, join_seconds: float) -> None:
        self._offer = offer
        self._answer_seconds = answer_seconds
        self._join_seconds = join_seconds

    async def join(self, call: Call, user: User, session_id: str, sink: CallSink) -> Line:
        await asyncio.sleep(self._answer_seconds)
        if self._offer == "silence":
            await asyncio.Event().wait()
        sink.call_answered(f"the answer to {self._offer}")
        await asyncio.sleep(self._join_seconds)
        return Line()


async def create_agent(offer: str = "", answer_seconds: float = 0.0, join_seconds: float = 0.0) -> Agent:
    return Agent(
        edge=Edge(offer, answer_seconds, join_seconds),
        agent_user=User(name="Assistant", id="agent"),
        llm=ScriptedLLM(),
        tts=ScriptedTTS(),
    )


async def join_call(agent: Any, call_type: str, call_id: str) -> None:
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call, participant_wait_timeout=0):
        await agent.finish()


if __name__ == "__main__":
    isolation: Any = os.environ.get("GREENROOM_TEST_ISOLATION", "none")
    Runner(AgentLauncher(create_agent, join_call, isolation=isolation)).cli()
