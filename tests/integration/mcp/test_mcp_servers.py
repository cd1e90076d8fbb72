"""Functions of real MCP servers in an agent's hands: over stdio and over HTTP, lost, slow, away, and left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

from tests.fakes import scripted_voice as scripted

from greenroom import Agent, User
from greenroom.agent.conversation import Role, ToolCall
from greenroom.agent.interfaces import TextDelta
from greenroom.plugins.mcp import MCPBaseServer, MCPServerError, MCPServerLocal, MCPServerRemote
from greenroom_core.clock import SystemClock
from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]
COMMAND = f"{sys.executable} -m tests.fakes.mcp_tools"
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
LIMIT_SECONDS = 90.0
BOSTON = ToolCall("1", "get_weather", {"location": "Boston", "days": 2})


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert [task for task in left if not task.done()] == []


class Place:
    """Where the server of a test is, by stdio or by HTTP, and how it is taken away."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.port = free_ports(1)[0]
        self.process: Process | None = None

    async def start(self, **environment: str) -> None:
        if self.kind == "stdio":
            return
        words = (sys.executable, "-m", "tests.fakes.mcp_tools", str(self.port))
        self.process = await asyncio.create_subprocess_exec(*words, env={**os.environ, **ENVIRONMENT, **environment})
        async with asyncio.timeout(LIMIT_SECONDS):
            while not listening(self.port):
                assert self.process.returncode is None
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def server(self, **settings: Any) -> MCPBaseServer:
        if self.kind == "stdio":
            return MCPServerLocal(COMMAND, ENVIRONMENT, **settings)
        return MCPServerRemote(f"http://127.0.0.1:{self.port}/mcp", **settings)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["stdio", "http"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    place = Place(request.param)
    await place.start()
    yield place
    await place.stop()


def agent_with(*servers: MCPBaseServer, calls: list[ToolCall] | None = None) -> tuple[Agent, scripted.Llm]:
    """An agent whose model makes `calls`, one an answer, each followed by a word."""
    clock = SystemClock()
    answers: list[Any] = [step for call in calls or [] for step in ([call], [TextDelta("So.")])]
    llm = scripted.Llm(clock, answers)
    user = User(id="agent")
    edge = scripted.Edge(clock)
    return Agent(edge=edge, llm=llm, tts=scripted.Tts(clock), agent_user=user, mcp_servers=servers), llm


@asynccontextmanager
async def on_call(agent: Agent) -> AsyncIterator[None]:
    async with asyncio.timeout(LIMIT_SECONDS), agent.join(await agent.create_call("default", "c")):
        yield


def outputs(agent: Agent) -> list[str]:
    return [message.text for message in agent.conversation.messages if message.role is Role.TOOL]


def process_of(output: str) -> int:
    found = re.search(r"says process (\d+)", output)
    assert found, output
    return int(found[1])


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_model_sees_and_calls_the_functions(place: Place) -> None:
    agent, llm = agent_with(place.server(), calls=[BOSTON, ToolCall("2", "refuse", {})])

    @agent.llm.register_function()
    async def own() -> str:
        return ""

    async with on_call(agent):
        await agent.simple_response("What is the weather in Boston?")
        await agent.simple_response("And now?")
    offered = {tool.name: tool for tool in llm.requests[0].tools}
    assert set(offered) == {"own", "get_weather", "refuse", "think", "crash", "environment"}
    assert offered["get_weather"].description == "Get the weather somewhere"
    assert offered["get_weather"].parameters["required"] == ["location"]
    weather, refused = outputs(agent)
    assert weather.startswith("The weather in Boston is sunny for 2 days")
    assert refused == "refuse failed: MCPToolError: Error executing tool refuse: there is no weather today"
    assert agent.metrics.to_dict()["llm_tool_calls__total"] == 2
    if place.kind == "stdio":
        assert not runs(process_of(weather)), "the program ended with the agent"


async def test_a_wrong_argument_is_the_servers_to_refuse(place: Place) -> None:
    agent, _ = agent_with(place.server(), calls=[ToolCall("1", "get_weather", {"days": "many"})])
    async with on_call(agent):
        await agent.simple_response("What is the weather?")
    assert "get_weather failed: MCPToolError" in outputs(agent)[0]
    assert "location" in outputs(agent)[0]


async def test_a_server_that_dies_in_a_call_fails_it_and_is_found_again(place: Place) -> None:
    agent, _ = agent_with(place.server(), calls=[BOSTON, ToolCall("2", "crash", {}), BOSTON])
    async with on_call(agent):
        await agent.simple_response("One")
        await agent.simple_response("Two")
        if place.process is not None:
            await place.process.wait()
            await place.start()
        await agent.simple_response("Three")
    first, crashed, again = outputs(agent)
    assert crashed.startswith(f"crash failed: MCPServerError: {place.server()} went away")
    assert process_of(again) != process_of(first)


async def test_leaving_in_the_middle_of_a_call_waits_for_nothing(place: Place) -> None:
    agent, _ = agent_with(place.server(), calls=[ToolCall("1", "think", {})])
    async with on_call(agent):
        asking = asyncio.create_task(agent.simple_response("Think!"))
        while not agent.llm.requests:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
        began = asyncio.get_running_loop().time()
        await agent.close()
        assert asyncio.get_running_loop().time() - began < 20.0
        await asking


async def test_two_servers_need_names_that_differ(place: Place) -> None:
    agent, _ = agent_with(place.server(), place.server())
    with pytest.raises(ValueError, match=r"'get_weather' is registered already.*by the server's prefix="):
        async with on_call(agent):
            pytest.fail("joined")
    agent, llm = agent_with(place.server(prefix="here_"), place.server(prefix="there_"))
    llm.answers[:] = [[ToolCall("1", "there_get_weather", {"location": "Rome"})], [TextDelta("So.")]]
    async with on_call(agent):
        await agent.simple_response("What is the weather in Rome?")
    assert outputs(agent)[0].startswith("The weather in Rome")


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (MCPServerLocal("/nowhere/tools --port 1"), "MCP server '/nowhere/tools --port 1' cannot be reached: FileNot"),
        (MCPServerLocal("false"), "MCP server 'false' cannot be reached: MCPError: Connection closed"),
        (MCPServerLocal("sleep 60", timeout=0.5), "MCP server 'sleep 60' did not answer within 0.5 s"),
        (MCPServerRemote("http://127.0.0.1:1/mcp"), "MCP server http://127.0.0.1:1/mcp cannot be reached: ConnectE"),
    ],
)
async def test_a_server_that_is_away_keeps_the_agent_from_joining(server: MCPBaseServer, message: str) -> None:
    agent, _ = agent_with(server)
    with pytest.raises(MCPServerError, match=re.escape(message)):
        async with on_call(agent):
            pytest.fail("joined")


async def test_or_the_agent_goes_without_if_it_may(caplog: pytest.LogCaptureFixture) -> None:
    away = MCPServerRemote("http://127.0.0.1:1/mcp", required=False)
    agent, llm = agent_with(away)
    llm.answers.append([TextDelta("Hello.")])
    async with on_call(agent):
        await agent.simple_response("Hello?")
    assert llm.requests[0].tools == ()
    assert "goes without the functions of a server: MCP server http://127.0.0.1:1/mcp cannot be" in caplog.text


async def test_a_key_goes_along_and_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    place = Place("http")
    await place.start(MCP_TOKEN="hunter2")
    try:
        agent, _ = agent_with(place.server(headers={"Authorization": "Bearer hunter2"}), calls=[BOSTON])
        async with on_call(agent):
            await agent.simple_response("What is the weather in Boston?")
        assert outputs(agent)[0].startswith("The weather in Boston")
        stranger, _ = agent_with(place.server())
        with pytest.raises(MCPServerError, match="cannot be reached"):
            async with on_call(stranger):
                pytest.fail("joined")
    finally:
        await place.stop()
    assert "hunter2" not in caplog.text


async def test_a_local_server_gets_no_key_that_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "secret")
    server = MCPServerLocal(COMMAND, {**ENVIRONMENT, "WEATHER_KEY": "1"})
    agent, _ = agent_with(server, calls=[ToolCall("1", "environment", {})])
    async with on_call(agent):
        await agent.simple_response("What do you know?")
    assert "WEATHER_KEY" in outputs(agent)[0]
    assert "DEEPGRAM" not in outputs(agent)[0]


def test_what_can_be_no_server_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="command is empty"):
        MCPServerLocal(" ")
    with pytest.raises(ValueError, match=r"url is 'tools\.example' and must be one of http or https"):
        MCPServerRemote("tools.example")
    with pytest.raises(ValueError, match=r"a str is none; greenroom\.plugins\.mcp has"):
        agent_with("http://tools.example/mcp")  # type: ignore[arg-type]


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    server = MCPServerRemote("https://ann:hunter2@tools.example:8443/mcp?key=hunter2")
    assert str(server) == "MCP server https://tools.example:8443/mcp"


def test_what_the_documentation_shows_fits_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_KEY", "1")
    monkeypatch.setenv("CUSTOMERS_TOKEN", "2")
    clock = SystemClock()
    parts = {"edge": scripted.Edge(clock), "user": User(id="agent"), "llm": scripted.Llm(clock, []), "stt": None}
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "mcp.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {**parts, "tts": scripted.Tts(clock)}
    exec(compile(block, "docs/mcp.md", "exec"), names)
    servers = names["agent"].mcp_servers
    assert [str(server) for server in servers] == [
        "MCP server 'python weather_tools.py'",
        "MCP server https://tools.example/mcp",
    ]


async def test_a_program_that_dies_while_nobody_asks_is_started_again() -> None:
    agent, _ = agent_with(MCPServerLocal(COMMAND, ENVIRONMENT), calls=[BOSTON, BOSTON])
    async with on_call(agent):
        await agent.simple_response("One")
        process = process_of(outputs(agent)[0])
        os.kill(process, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_SECONDS):
            while runs(process):
                await asyncio.sleep(0.01)
        await agent.simple_response("Two")
        if "went away" in outputs(agent)[1]:  # found out by this call
            agent.llm.answers.extend([[BOSTON], [TextDelta("So.")]])  # type: ignore[union-attr]
            await agent.simple_response("Three")
    assert process_of(outputs(agent)[-1]) != process
