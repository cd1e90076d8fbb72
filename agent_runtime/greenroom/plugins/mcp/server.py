"""A server's functions, as an agent's model calls them. Knows no way to reach a server."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

from greenroom.agent.interfaces import FunctionSource
from greenroom.agent.tools import Tool
from greenroom.plugins.mcp.line import Line, MCPServerError
from greenroom.plugins.vendor import load
from greenroom.warmup import Warmable
from greenroom_core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from greenroom_core.clock import Clock

logger = logging.getLogger("greenroom.plugins.mcp")

SDK = "mcp"
MAX_PAGES = 100  # of a list of functions that never ends


class MCPToolError(RuntimeError):
    """A function failed over there; the message is the server's."""


class MCPBaseServer(FunctionSource, Warmable[None]):
    """Connects when the agent joins, offers the functions that the server has then, and leaves with the agent.

    A server that is lost fails the calls that wait for it and is connected to again by the next one; no call is made
    twice. With `required` False an agent whose server is away goes without; else it does not join. `prefix` goes before
    the functions' names, `timeout` is how long connecting may take, in seconds.
    """

    def __init__(self, *, prefix: str = "", required: bool = True, timeout: float = 30.0, clock: Clock | None) -> None:
        self._prefix = prefix
        self._required = required
        self._timeout_seconds = timeout
        self._clock = clock or SystemClock()
        self._connecting = asyncio.Lock()
        self._line: Line | None = None
        self._client: Any = None
        self._closed = False
        self._tools: tuple[Tool, ...] = ()

    def __str__(self) -> str:
        return f"MCP server {self._name}"

    @property
    @abstractmethod
    def _name(self) -> str:
        """For messages: no secret."""

    @abstractmethod
    def _connection(self) -> AbstractAsyncContextManager[Any]:
        """The SDK's client on one connection. The SDK is imported."""

    @property
    def tools(self) -> Sequence[Tool]:
        return self._tools

    async def on_warmup(self) -> None:
        await load(SDK)

    def on_warmed_up(self, resource: None) -> None:
        """The SDK is imported; connections belong to calls."""

    async def start(self) -> None:
        """Raises :class:`MCPServerError`."""
        try:
            async with self._clock.timeout(self._timeout_seconds):
                listed = await self._listed()
        except TimeoutError:
            await self._absent(MCPServerError(f"{self} did not answer within {self._timeout_seconds:g} s"))
        except MCPServerError as error:
            await self._absent(error)
        else:
            self._tools = tuple(map(self._tool, listed))

    async def close(self) -> None:
        self._closed = True
        await self._hang_up()

    async def _absent(self, error: MCPServerError) -> None:
        await self._hang_up()
        if self._required:
            raise error
        logger.warning("the agent goes without the functions of a server: %s", error)

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _listed(self) -> list[Any]:
        line = await self._connected()
        listed: list[Any] = []
        cursor = None
        for _ in range(MAX_PAGES):
            page = await line.request(self._client.list_tools(cursor=cursor))
            listed += page.tools
            if (cursor := page.next_cursor) is None:
                break
        return listed

    def _tool(self, listed: Any) -> Tool:
        return Tool(
            name=self._prefix + listed.name,
            description=listed.description or listed.title or "",
            parameters=listed.input_schema,
            function=partial(self._call, listed.name),
            arguments=None,
        )

    async def _call(self, name: str, /, **arguments: Any) -> str:
        """What the function gave, as text. Raises :class:`MCPToolError` and :class:`MCPServerError`."""
        async with self._clock.timeout(self._timeout_seconds):
            line = await self._connected()
        result = await line.request(self._client.call_tool(name, arguments))
        text = "\n".join(map(_text, result.content))
        if result.is_error:
            raise MCPToolError(text)
        return text

    async def _connected(self) -> Line:
        async with self._connecting:
            if self._closed:
                raise MCPServerError(f"{self} was left: the agent is closed")
            if self._line is None or self._line.over:
                await load(SDK)
                self._line = None  # what is over has closed itself
                line = Line(self._connection(), str(self))
                self._client = await line.open()
                self._line = line
            return self._line


def _text(content: Any) -> str:
    """One piece of an answer; a model that reads gets the names of what it cannot read."""
    if content.type == "text":
        return str(content.text)
    if content.type == "resource" and (text := getattr(content.resource, "text", None)) is not None:
        return str(text)
    return f"[{content.type}]"
