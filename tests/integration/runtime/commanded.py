"""A program of a user's own in a runtime pod: no Runner, a launcher and a server beside it, as with gRPC.

It takes commands, one JSON object a line, on a Unix socket named after its pod in GREENROOM_TEST_SOCKETS. A client that
hangs up while its session starts has gone away.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

from tests.agents.scripted import create_agent, join_call

from greenroom import AgentLauncher
from greenroom_core.model.session import SessionLimits

launcher = AgentLauncher(create_agent=create_agent, join_call=join_call, max_sessions_per_call=7)


async def start(command: dict[str, Any]) -> dict[str, Any]:
    limits = SessionLimits(start_deadline_seconds=command.get("deadline"))
    session = await launcher.start_session(command["call"], parameters=command.get("parameters"), limits=limits)
    return {"session": session.id, "agent": session.agent.id, "joined": session.on_call_for() > 0}


async def answered(command: dict[str, Any]) -> dict[str, Any]:
    match command["do"]:
        case "start":
            return await start(command)
        case "close":
            return {"known": await launcher.close_session(command["session"], wait=True)}
        case "request close":
            return {"known": await launcher.request_close_session(command["call"], command["session"])}
        case "info":
            info = await launcher.get_session_info(command["call"], command["session"])
            return {"info": info and {"pod": info.node_id, "phase": info.phase, "started_at": info.started_at}}
        case "list":
            infos = await launcher.list_sessions(command.get("call"))
            return {"sessions": {info.session_id: info.phase for info in infos}}
        case "sessions":
            return {"sessions": [session.id for session in launcher.sessions]}
        case "drain":
            return {"finished": await launcher.drain(command.get("timeout"))}
        case unknown:
            return {"error": "command", "text": str(unknown)}


async def told(command: dict[str, Any]) -> dict[str, Any]:
    try:
        return await answered(command)
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    command = json.loads(await reader.readline())
    answering = asyncio.create_task(told(command))
    hung_up = asyncio.create_task(reader.read())
    await asyncio.wait((answering, hung_up), return_when=asyncio.FIRST_COMPLETED)
    if answering.done():
        writer.write(json.dumps(answering.result()).encode() + b"\n")
        await writer.drain()
    answering.cancel()
    hung_up.cancel()
    await asyncio.wait((answering, hung_up))
    writer.close()


async def main() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    await launcher.start()
    path = os.path.join(os.environ["GREENROOM_TEST_SOCKETS"], os.environ["GREENROOM_POD_NAME"][-12:])
    async with await asyncio.start_unix_server(converse, path):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
