"""Where servers are: started beside the agent, or at an address."""

from __future__ import annotations

import shlex
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from greenroom.plugins.mcp.server import MCPBaseServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from greenroom_core.clock import Clock

READ_SECONDS = 300.0  # how long a server may hold an answer open


class MCPServerLocal(MCPBaseServer):
    """A program that is started for each agent and spoken to over its stdin and stdout; it ends with the agent.

    `command` is split as a shell would, and shown in logs. The program gets HOME, PATH and the like of this process'
    environment, and `env`: no key that is not named there. Raises :class:`ValueError` for an empty command.
    """

    def __init__(
        self,
        command: str,
        env: Mapping[str, str] | None = None,
        *,
        prefix: str = "",
        required: bool = True,
        timeout: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(prefix=prefix, required=required, timeout=timeout, clock=clock)
        self._command = command
        self._words = shlex.split(command)
        if not self._words:
            raise ValueError(
                "MCPServerLocal: command is empty: name the program to start, for instance 'python tools.py'"
            )
        self._environment = dict(env or {})

    @property
    def _name(self) -> str:
        return repr(self._command)

    def _connection(self) -> AbstractAsyncContextManager[Any]:
        sdk = import_module("mcp")
        program, *arguments = self._words
        parameters = sdk.StdioServerParameters(command=program, args=arguments, env=self._environment)
        client: AbstractAsyncContextManager[Any] = sdk.Client(parameters)
        return client


class MCPServerRemote(MCPBaseServer):
    """A server at `url`, over streamable HTTP. A secret goes into `headers`: addresses are logged by HTTP libraries.

    Raises :class:`ValueError` for what is no address.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        prefix: str = "",
        required: bool = True,
        timeout: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(prefix=prefix, required=required, timeout=timeout, clock=clock)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"MCPServerRemote: url is {url!r} and must be one of http or https")
        self._url = url
        self._shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._headers = dict(headers or {})

    @property
    def _name(self) -> str:
        return self._shown

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        sdk, http, transport = map(import_module, ("mcp", "httpx2", "mcp.client.streamable_http"))
        limits = http.Timeout(self._timeout_seconds, read=READ_SECONDS)
        async with (
            http.AsyncClient(headers=self._headers, timeout=limits) as http_client,
            sdk.Client(transport.streamable_http_client(self._url, http_client=http_client)) as client,
        ):
            yield client
