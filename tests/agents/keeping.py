"""An agent that counts its turns in a checkpoint, ten a second, and goes on counting where an earlier one stopped.

GREENROOM_TEST_KEPT is a file that gets a line for each agent: its session and the checkpoint that it was given.
GREENROOM_TEST_REDIS is the Redis that keeps checkpoints, where the pod's own variable does not say it,
GREENROOM_TEST_ISOLATION the launcher's isolation.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from answering import Edge

from greenroom import Agent, AgentLauncher, RedisCheckpoints, Runner, User
from greenroom.testing import ScriptedLLM, ScriptedTTS


async def create_agent(checkpoint: dict[str, Any] | None = None) -> Agent:
    return Agent(
        edge=Edge("", 0.0, 0.0),
        agent_user=User(name="Assistant", id="agent"),
        llm=ScriptedLLM(),
        tts=ScriptedTTS(),
    )


async def join_call(agent: Agent, call_type: str, call_id: str, checkpoint: dict[str, Any] | None = None) -> None:
    _note({"session": agent.id, "given": checkpoint})
    turns = checkpoint["turns"] if checkpoint is not None else 0
    call = await agent.create_call(call_type, call_id)
    async with agent.join(call, participant_wait_timeout=0):
        while True:
            turns += 1
            agent.checkpoint({"turns": turns, "said": "card 4711"})
            await asyncio.sleep(0.1)


def _note(line: dict[str, Any]) -> None:
    with open(os.environ["GREENROOM_TEST_KEPT"], "ab", buffering=0) as kept:
        kept.write(json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    isolation: Any = os.environ.get("GREENROOM_TEST_ISOLATION", "none")
    url = os.environ.get("GREENROOM_TEST_REDIS")
    store = RedisCheckpoints(url=url) if url else None
    Runner(AgentLauncher(create_agent, join_call, isolation=isolation, checkpoints=store)).cli()
