"""An agent file that is run as a program: its functions belong to `__main__`.

agent_file.py DEED …     a session for each deed; writes each one's process, then waits for ever
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.integration.isolation import agents
from tests.integration.isolation.stage import Session

from greenroom.isolation import ProcessStock, RecipeSource
from greenroom_core import logs
from greenroom_core.clock import SystemClock


class Agent(agents.StubAgent):
    """Of `__main__`, too."""


async def create_agent(journal: str) -> Agent:
    return Agent(journal)


async def join_call(agent: Agent, call_type: str, call_id: str, do: str) -> None:
    print(f"process {os.getpid()} {do}", flush=True)
    await agents.join_call(agent, call_type, call_id, do)


async def main(deeds: list[str]) -> None:
    stock = ProcessStock(RecipeSource(create_agent, join_call), SystemClock())
    sessions = [Session(stock, f"s{number}", do=deed, journal="") for number, deed in enumerate(deeds)]
    for session in sessions:
        await session.built()
    print(f"all built {__name__}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logs.set_up("INFO", "json")
    asyncio.run(main(sys.argv[1:]))
