"""AgentLauncher without the HTTP server, as one would use it behind a queue, a websocket or gRPC (see grpc/).

    python examples/launcher_only.py

The agent is that of voice_agent.py, which needs no key.
"""

import asyncio

from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, AgentSession
from greenroom.agent.events import AgentTurnEndedEvent


async def main() -> None:
    launcher = AgentLauncher(create_agent=create_agent, join_call=join_call, max_concurrent_sessions=10)

    # Start the launcher (warmup + maintenance loop)
    await launcher.start()

    # Start a session; keyword arguments of create_agent and join_call may be given for it
    session = await launcher.start_session(
        call_id="my-call-123", call_type="default", parameters={"question": "What is the weather in Oslo?"}
    )
    await spoken(session)

    # Query a session from the registry (works across nodes)
    info = await launcher.get_session_info("my-call-123", session.id)
    print(f"{info.phase}: {info.metrics.to_dict()['tts_characters__total']} characters spoken")

    # Request session closure (works across nodes)
    await launcher.request_close_session("my-call-123", session.id)
    await asyncio.wait([session.task])

    # Close a session running on this node
    second = await launcher.start_session(call_id="my-call-456")
    await launcher.close_session(second.id, wait=True)

    # What became of them
    for ended in await launcher.list_sessions():
        print(f"{ended.call_id}: {ended.phase}, {ended.reason}")

    # Stop the launcher (closes all sessions + registry)
    await launcher.stop()


async def spoken(session: AgentSession) -> None:
    """Until the agent has answered its caller."""
    said = asyncio.Event()

    @session.agent.subscribe
    def on_turn_ended(event: AgentTurnEndedEvent) -> None:
        said.set()

    await said.wait()


if __name__ == "__main__":
    asyncio.run(main())
