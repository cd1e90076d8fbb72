"""An agent file whose join_call ignores its cancellation for ever."""

from __future__ import annotations

import asyncio

from tests.unit.runtime.agents import AgentFile, OwnAgent

from greenroom import AgentLauncher, Runner
from greenroom_core.clock import SystemClock


async def deaf(agent: OwnAgent) -> None:
    agent.join()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


if __name__ == "__main__":
    file = AgentFile(SystemClock(), call=deaf)
    Runner(AgentLauncher(file.create_agent, file.join_call)).cli()
