"""The operator's own small HTTP server: /health, /ready and /metrics."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import generate_latest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_operator.program import Operator


@asynccontextmanager
async def serve(operator: Operator, host: str, port: int) -> AsyncIterator[None]:
    """Answers while the block runs. /health says only that the loop turns; an outage must not restart us."""

    async def health(_: web.Request) -> web.Response:
        return web.Response()

    async def ready(_: web.Request) -> web.Response:
        return web.Response() if operator.ready else web.Response(status=503, text="feeds are not synced")

    async def metrics(_: web.Request) -> web.Response:
        operator.measure()
        return web.Response(body=generate_latest(operator.metrics.registry), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
