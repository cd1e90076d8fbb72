"""An MCP server made with the SDK's own other side: python -m tests.fakes.mcp_tools [PORT]; over stdio without one.

With MCP_TOKEN in its environment it answers over HTTP only to those who bear it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

server = MCPServer("tools", log_level="CRITICAL")


@server.tool()
async def get_weather(location: str, days: int = 1) -> str:
    """Get the weather somewhere"""
    return f"The weather in {location} is sunny for {days} days, says process {os.getpid()}."


@server.tool()
async def refuse() -> str:
    raise ToolError("there is no weather today")


@server.tool()
async def think() -> str:
    await asyncio.sleep(3600)
    return ""


@server.tool()
async def crash() -> str:
    os._exit(3)


@server.tool()
async def environment() -> list[str]:
    return sorted(os.environ)


def guarded(app: ASGIApp, token: str) -> ASGIApp:
    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        if scope["type"] == "http" and headers.get(b"authorization") != f"Bearer {token}".encode():
            await PlainTextResponse("no", status_code=401)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return check


def main(words: list[str]) -> None:
    if not words:
        server.run("stdio")
        return
    app: Any = server.streamable_http_app()
    if token := os.environ.get("MCP_TOKEN"):
        app = guarded(app, token)
    uvicorn.run(app, host="127.0.0.1", port=int(words[0]), log_level="critical")


if __name__ == "__main__":
    main(sys.argv[1:])
