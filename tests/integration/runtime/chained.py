"""An agent file as `runtime` runs it, whose call has another session started beside it, in the same pod."""

from __future__ import annotations

from typing import Any

from tests.agents import scripted

from greenroom import AgentLauncher, Runner


async def join_call(agent: scripted.ScriptedAgent, call_type: str, call_id: str, then: str = "", **rest: Any) -> None:
    if then:
        await launcher.start_session(then, parameters={"finish_seconds": 0.5})
    await scripted.join_call(agent, call_type, call_id, **rest)


launcher = AgentLauncher(create_agent=scripted.create_agent, join_call=join_call)

if __name__ == "__main__":
    Runner(launcher).cli()
