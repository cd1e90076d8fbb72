"""An agent that does what its session's parameters say, and costs next to nothing: hundreds fit in a test.

It hears and says nothing. Where GREENROOM_TEST_JOURNAL names a file, it writes a line for each step of each agent,
with the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

from greenroom import AgentLauncher, Runner

JOURNAL = os.environ.get("GREENROOM_TEST_JOURNAL")


class Figures:
    def __init__(self, turns: int) -> None:
        self._turns = turns

    def to_dict(self) -> dict[str, Any]:
        return {"llm_latency_ms__avg": 12.5, "llm_output_tokens__total": 7 * self._turns, "tts_characters__total": 40}


class ScriptedAgent:
    """What a launcher asks of an agent, and no more."""

    def __init__(self, *, alone: bool, leave_seconds: float) -> None:
        self.id = "nameless"
        self._alone = alone
        self._leave_seconds = leave_seconds
        self._joined = asyncio.Event()
        self._joined_at = 0.0
        self._asked = 0

    def adopt_id(self, session_id: str) -> None:
        self.id = session_id
        self.note("built")

    def note(self, event: str) -> None:
        if JOURNAL is None:
            return
        line = {
            "at": time.monotonic(),
            "event": event,
            "session": self.id,
            "pod": os.environ.get("GREENROOM_POD_NAME", ""),
            "process": os.getpid(),
        }
        # One write in append mode: lines of many processes do not mix.
        with open(JOURNAL, "ab", buffering=0) as journal:
            journal.write(json.dumps(line).encode() + b"\n")

    @property
    def metrics(self) -> Figures:
        self._asked += 1
        return Figures(self._asked)

    def idle_for(self) -> float:
        return self.on_call_for() if self._alone else 0.0

    def on_call_for(self) -> float:
        return time.monotonic() - self._joined_at if self._joined_at else 0.0

    async def wait_joined(self) -> None:
        await self._joined.wait()

    async def join(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._joined_at = time.monotonic()
        self._joined.set()
        self.note("joined")

    async def close(self) -> None:
        await asyncio.sleep(self._leave_seconds)
        self._joined_at = 0.0
        self.note("left")


async def create_agent(
    build_seconds: float = 0.0,
    build_error: str = "",
    hang: bool = False,
    alone: bool = False,
    leave_seconds: float = 0.0,
) -> ScriptedAgent:
    await asyncio.sleep(build_seconds)
    if build_error:
        raise ValueError(build_error)
    if hang:
        await asyncio.Event().wait()
    return ScriptedAgent(alone=alone, leave_seconds=leave_seconds)


async def join_call(
    agent: ScriptedAgent,
    call_type: str,
    call_id: str,
    join_seconds: float = 0.0,
    join_error: str = "",
    finish_seconds: float | None = None,
) -> None:
    """Stays until it is told to leave, or for `finish_seconds`."""
    await agent.join(join_seconds)
    if join_error:
        raise RuntimeError(join_error)
    if finish_seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(finish_seconds)


if __name__ == "__main__":
    launcher = AgentLauncher(
        create_agent=create_agent,
        join_call=join_call,
        start_timeout_seconds=float(os.environ.get("GREENROOM_TEST_START_TIMEOUT_SECONDS", "60")),
    )
    Runner(launcher).cli()
