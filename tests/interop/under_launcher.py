"""Runs in the environment of `vision_agents`: its agents under our launcher, and what was seen, as one line of JSON.

`python -m tests.interop.under_launcher talk|two-speakers|call-ends|idle|duration|stop|isolated`; it asserts
nothing itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from tests.interop.their_agent import Noted, create_agent, join_call

from greenroom import AgentLauncher

SPOKEN = "tts_characters__total"
DEADLINE_SECONDS = 20.0


async def main(story: str) -> dict[str, Any]:
    made: list[Noted] = []

    async def create(**keywords: Any) -> Noted:
        made.append(await create_agent(**keywords))
        return made[-1]

    limits: dict[str, Any] = {"maintenance_interval": 0.1}
    if story == "idle":
        limits["agent_idle_timeout"] = 0.5
    if story == "duration":
        limits["max_session_duration_seconds"] = 0.5
    parameters = {"two-speakers": {"speakers": 2}, "idle": {"alone": True}, "call-ends": {"call_ends": True}}
    begun = time.monotonic()
    launcher = AgentLauncher(create_agent=create, join_call=join_call, **limits)
    await launcher.start()
    seen: dict[str, Any] = {"start_seconds": time.monotonic() - begun, "warm_up_closed": made[0].closed}
    session = await launcher.start_session("their-call", parameters=parameters.get(story))
    agent = made[-1]
    seen |= {"id": session.id, "agent_id": agent.id, "same_agent": session.agent is agent}
    if story in ("talk", "two-speakers", "stop"):
        await until(lambda: agent.metrics.to_dict()["llm_tool_calls__total"] == 1 and spoken(agent) > 60)
        await until_in_registry(launcher, session.id)
        info = await launcher.get_session_info("their-call", session.id)
        assert info is not None
        seen |= {"metrics": info.metrics.to_dict(), "on_call_for": session.on_call_for()}
    if story == "stop":
        await launcher.stop()
    elif story in ("talk", "two-speakers"):
        await launcher.request_close_session("their-call", session.id)
    await until(lambda: launcher.get_session(session.id) is None)
    seen["listed"] = [(info.session_id, str(info.phase), str(info.reason)) for info in await launcher.list_sessions()]
    edge: Any = agent.edge
    seen |= {"closed": agent.closed, "line_closed": edge.line.closed, "finished": session.finished}
    if story != "stop":
        await launcher.stop()
    seen["tasks_left"] = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return seen


async def isolated() -> dict[str, Any]:
    """The session in a process of its own, from a stock that is forked."""
    launcher = AgentLauncher(create_agent, join_call, isolation="process", maintenance_interval=0.1)
    async with launcher:
        session = await launcher.start_session("their-call")
        await until_in_registry(launcher, session.id)
        info = await launcher.get_session_info("their-call", session.id)
        assert info is not None
        await launcher.close_session(session.id, wait=True)
        ended = [(each.session_id, str(each.phase), str(each.reason)) for each in await launcher.list_sessions()]
    return {"id": session.id, "metrics": info.metrics.to_dict(), "listed": ended}


def spoken(agent: Noted) -> int:
    return int(agent.metrics.to_dict()[SPOKEN])


async def until(holds: Any) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


async def until_in_registry(launcher: AgentLauncher, session_id: str) -> None:
    """The figures reach the registry at the next maintenance."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            info = await launcher.get_session_info("their-call", session_id)
            if info is not None and (info.metrics.to_dict()[SPOKEN] or 0) > 60:
                return
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    story = sys.argv[1]
    print(json.dumps(asyncio.run(isolated() if story == "isolated" else main(story))))
