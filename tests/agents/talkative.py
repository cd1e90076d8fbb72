"""An agent for the console's tests: it can be typed to, needs no engine, and misbehaves where it is told to.

GREENROOM_TEST_MODE names what: `fail_create`, `fail_join`, `hang_up` (the call ends by itself), `foreign` (an agent of
another framework that can be typed to), `mute` (one that cannot), `demo` (an edge with a page of its own), `logs` (its
own loggers speak, from tasks and threads), `basic` (the file sets up logging), `slow` (its model takes its time),
`hang` (no agent ever comes), `debug` (tells whether asyncio's own checks are on), `isolated` (a process for each
session).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from greenroom import Agent, AgentLauncher, Runner, User, console
from greenroom.plugins import local

MODE = os.environ.get("GREENROOM_TEST_MODE", "")
app_log = logging.getLogger("my_app")

if MODE == "basic":
    logging.basicConfig(level=logging.INFO, format="mine: %(message)s")
elif MODE in ("logs", "isolated"):
    app_log.setLevel(logging.INFO)


class DemoEdge(console.Edge):
    async def open_demo_for_agent(self, agent: Agent, call_type: str, call_id: str) -> None:
        print(f"demo of {call_type}/{call_id} for {agent.id}", flush=True)


class Foreign:
    """As little as a launcher asks for."""

    id = "foreign-1"
    metrics: Any = property(lambda self: self)

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def to_dict(self) -> dict[str, float]:
        return {}

    def idle_for(self) -> float:
        return 0.0

    def on_call_for(self) -> float:
        return 0.0

    def set_video_track_override_path(self, path: str) -> None:
        print(f"video {path}", flush=True)

    async def close(self) -> None:
        print("foreign agent closed", flush=True)
        self.closed.set()


class ForeignTyped(Foreign):
    async def simple_response(self, text: str, interrupt: bool = True) -> None:
        print(f"foreign agent heard {text}, interrupt={interrupt}", flush=True)


async def create_agent() -> Any:
    if MODE == "hang":
        print("building for ever", flush=True)
        await asyncio.Event().wait()
    if MODE == "debug":
        print(f"asyncio looks out: {asyncio.get_running_loop().get_debug()}", flush=True)
    if MODE == "fail_create":
        raise ValueError("no such voice: hunter2-secret")
    if MODE in ("foreign", "mute"):
        return ForeignTyped() if MODE == "foreign" else Foreign()
    agent = Agent(
        edge=DemoEdge() if MODE == "demo" else console.Edge(),
        agent_user=User(name="Assistant", id="agent"),
        llm=local.LLM([local.Rule("story", reply="Once. Upon. A time.")], token_seconds=1.0 if MODE == "slow" else 0.0),
        processors=[object()],
    )

    @agent.llm.register_function(description="Get the current weather for a location")
    async def get_weather(location: str) -> str:
        app_log.info("looking out of the window")
        return f"It is sunny in {location}."

    return agent


async def join_call(agent: Any, call_type: str, call_id: str) -> None:
    if isinstance(agent, Foreign):
        await agent.closed.wait()
        return
    call = await agent.create_call(call_type, call_id)
    try:
        async with agent.join(call, participant_wait_timeout=0):
            if MODE == "fail_join":
                raise RuntimeError("the model is out of reach: hunter2-secret")
            if MODE in ("logs", "isolated"):
                await asyncio.create_task(_deep())
            if MODE != "hang_up":
                await agent.finish()
    finally:
        print("agent has left", flush=True)


async def _deep() -> None:
    app_log.info("in a task")
    await asyncio.to_thread(app_log.info, "in a thread")
    app_log.warning("with %s", "hunter2-secret")


if __name__ == "__main__":
    isolation = "process" if MODE == "isolated" else "none"
    launcher = AgentLauncher(create_agent=create_agent, join_call=join_call, isolation=isolation)
    Runner(launcher).cli(sys.argv[1:])
