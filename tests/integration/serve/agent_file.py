"""An agent file whose calls last as long as the POST says, and which writes down what becomes of its agents.

GREENROOM_TEST_JOURNAL names the file; GREENROOM_TEST_WARM says how the throw-away agent's build goes.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path
from typing import Any

from greenroom import AgentLauncher, Runner
from greenroom.observability import AgentMetrics

JOURNAL = Path(os.environ["GREENROOM_TEST_JOURNAL"])
WARM = os.environ.get("GREENROOM_TEST_WARM", "")


def note(line: str) -> None:
    with JOURNAL.open("a") as journal:
        journal.write(line + "\n")


class Agent:
    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self.metrics = AgentMetrics()
        self.call_id = ""

    def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
        note(f"told {self.call_id} {seconds_left:.0f} s")

    def idle_for(self) -> float:
        return 0.0

    def on_call_for(self) -> float:
        return 1.0

    async def close(self) -> None:
        note(f"closed {self.call_id}".strip())


async def create_agent() -> Agent:
    note("building")
    if WARM == "fails":
        raise RuntimeError("there is no model")
    if WARM == "hangs":
        await asyncio.Event().wait()
    return Agent()


async def join_call(agent: Any, call_type: str, call_id: str, until_there: str = "", deaf: bool = False) -> None:
    """The call lasts until the file `until_there` is there; without one, for ever."""
    agent.call_id = call_id
    note(f"joined {call_id}")
    while True:
        try:
            while not until_there or not Path(until_there).exists():
                await asyncio.sleep(0.05)
            note(f"finished {call_id}")
            return
        except asyncio.CancelledError:
            if not deaf:
                raise


if __name__ == "__main__":
    Runner(AgentLauncher(create_agent, join_call, leave_timeout_seconds=2.0)).cli()
