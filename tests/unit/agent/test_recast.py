"""Other parts for an agent that has not joined yet."""

from __future__ import annotations

import pytest
from tests.fakes import scripted_voice as scripted
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.agent import Agent, Cast, User
from greenroom.agent.conversation import ToolCall
from greenroom.agent.interfaces import FunctionSource, TextDelta
from greenroom.agent.tools import Tool


def agent_on(clock: VirtualClock) -> Agent:
    llm = scripted.Llm(clock, [[TextDelta("Own.")]])
    agent = Agent(edge=scripted.Edge(clock), llm=llm, tts=scripted.Tts(clock), agent_user=User(id="a"), clock=clock)

    @agent.llm.register_function()
    async def lights(room: str) -> str:
        return f"{agent.id} lit {room}"

    return agent


def test_the_new_parts_take_the_call_and_the_functions_go_along() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        agent = agent_on(clock)
        own = (agent.edge, agent.llm, agent.tts)
        edge = scripted.Edge(clock)
        call = ToolCall("1", "lights", {"room": "hall"})
        llm = scripted.Llm(clock, [[call], [TextDelta("They are on.")]])
        assert agent.recast(Cast(edge=edge, llm=llm, text_only=True)) == own
        assert (agent.edge, agent.llm, agent.tts) == (edge, llm, None)
        async with agent.join(await agent.create_call("default", "c")):
            await agent.simple_response("Lights, please.")
        texts = [message.text for message in agent.conversation.messages]
        assert texts == ["Lights, please.", "", f"{agent.id} lit hall", "They are on."]
        assert agent.metrics.to_dict()["llm_tool_calls__total"] == 1, "the new model reports to the agent"

    run_virtual(scene())


def test_what_does_not_fit_changes_nothing() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        agent = agent_on(clock)
        edge = agent.edge
        with pytest.raises(ValueError, match="needs to be told when the user speaks"):
            agent.recast(Cast(edge=scripted.Edge(clock), stt=scripted.Stt(clock, [])))
        assert agent.edge is edge
        assert agent.stt is None
        assert agent.recast(Cast()) == ()
        await agent.close()

    run_virtual(scene())


class Source(FunctionSource):
    closed = 0

    @property
    def tools(self) -> tuple[Tool, ...]:
        return ()

    async def close(self) -> None:
        self.closed += 1


def test_servers_are_exchanged_all_at_once() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        own, other = Source(), Source()
        user, edge = User(id="a"), scripted.Edge(clock)
        agent = Agent(
            edge=edge,
            llm=scripted.Llm(clock, []),
            tts=scripted.Tts(clock),
            agent_user=user,
            mcp_servers=[own],
            clock=clock,
        )
        assert agent.recast(Cast(tts=agent.tts)) == ()
        assert agent.recast(Cast(mcp_servers=[other])) == (own,)
        assert agent.mcp_servers == (other,)
        await agent.close()
        assert (own.closed, other.closed) == (0, 1)

    run_virtual(scene())


def test_not_after_the_join_and_not_after_the_close() -> None:
    async def scene() -> None:
        clock = VirtualClock()
        agent = agent_on(clock)
        assert not agent.closed
        async with agent.join(await agent.create_call("default", "c")):
            with pytest.raises(RuntimeError, match="keeps its parts: it has begun to join a call"):
                agent.recast(Cast(tts=scripted.Tts(clock)))
            assert not agent.closed
        assert agent.closed
        other = agent_on(clock)
        await other.close()
        with pytest.raises(RuntimeError, match="or was closed"):
            other.recast(Cast())

    run_virtual(scene())
