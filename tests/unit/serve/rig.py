"""An agent file served in memory: the real application, backend and launcher on virtual time; agents are played."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from tests.fakes.virtual_time import VirtualClock
from tests.unit.runtime.agents import AgentFile

from greenroom.launcher import AgentLauncher
from greenroom.options import ServeOptions
from greenroom.serve import fast_api, lifespan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI


@dataclass
class Serving:
    app: FastAPI
    http: httpx.AsyncClient
    launcher: AgentLauncher
    file: AgentFile

    async def started(self, call_id: str = "room", **body: Any) -> str:
        """A session that runs; its id."""
        answer = await self.http.post(f"/calls/{call_id}/sessions", json=body)
        assert answer.status_code == 201, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    async def turn(self, times: int = 20) -> None:
        """Lets everything that can happen now happen."""
        for _ in range(times):
            await asyncio.sleep(0)


def files() -> AgentFile:
    return AgentFile(VirtualClock())


def application(file: AgentFile, options: ServeOptions | None = None, **settings: Any) -> tuple[FastAPI, AgentLauncher]:
    launcher = AgentLauncher(file.create_agent, file.join_call, clock=file.clock, **settings)
    return fast_api(launcher, options or ServeOptions(), clock=file.clock), launcher


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://serve", timeout=None
    )


@asynccontextmanager
async def serving(
    file: AgentFile | None = None, options: ServeOptions | None = None, **settings: Any
) -> AsyncIterator[Serving]:
    """A started server; `settings` are the launcher's."""
    file = file or files()
    app, launcher = application(file, options, **settings)
    async with client(app) as http, lifespan(app):
        yield Serving(app, http, launcher, file)
