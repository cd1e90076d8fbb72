"""Functions of MCP servers (Model Context Protocol) for an agent's model: `Agent(…, mcp_servers=[…])`."""

from __future__ import annotations

from greenroom.plugins.vendor import require

require("mcp", "mcp")

from greenroom.plugins.mcp.line import MCPServerError  # noqa: E402
from greenroom.plugins.mcp.places import MCPServerLocal, MCPServerRemote  # noqa: E402
from greenroom.plugins.mcp.server import MCPBaseServer, MCPToolError  # noqa: E402

__all__ = ["MCPBaseServer", "MCPServerError", "MCPServerLocal", "MCPServerRemote", "MCPToolError"]
