"""The stub agent as a runtime pod runs it, each session in a process of its own."""

from __future__ import annotations

from tests.integration.isolation.agents import StubAgent, create_agent
from tests.integration.isolation.agents import join_call as join

from greenroom import AgentLauncher, Runner


async def join_call(agent: StubAgent, call_type: str, call_id: str, do: str = "stay") -> None:
    await join(agent, call_type, call_id, do)


if __name__ == "__main__":
    Runner(
        AgentLauncher(
            create_agent,
            join_call,
            isolation="process",
            memory_limit_bytes=96 << 20,
            blocked_loop_seconds=2.0,
            leave_timeout_seconds=2.0,
        )
    ).cli()
