"""A Runner's application on a real port, as `serve` has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from greenroom import Runner


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(90):
            while not server.started:
                assert not serving.done(), serving.result()
                await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await serving


def served_by(runner: Runner) -> contextlib.AbstractAsyncContextManager[httpx.AsyncClient]:
    return served(runner.fast_api)
