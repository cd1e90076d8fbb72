"""The basic example's agent, but one that soon gives up a network that is away: 45 s are long in a test."""

from __future__ import annotations

import runpy
from pathlib import Path

from greenroom import Agent, AgentLauncher, Runner, User
from greenroom.plugins import elevenlabs, gemini, getstream

BLOCK = runpy.run_path(str(Path(__file__).with_name("blocks") / "basic_example.py"), run_name="basic_example")


async def create_agent() -> Agent:
    return Agent(
        edge=getstream.Edge(reconnect_timeout_seconds=2.0),
        agent_user=User(name="Assistant", id="agent"),
        llm=gemini.LLM(),
        tts=elevenlabs.TTS(),
    )


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent=create_agent, join_call=BLOCK["join_call"])).cli()
