"""kopf as we set it up: an API server that is away, or still starting, ends no operator."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import kopf
import pytest
from aiohttp import ClientSession, web
from kopf._cogs.clients import api

from greenroom_operator.handlers import configure

REFUSALS = 5


async def test_kopf_outlives_a_server_that_still_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request raised after the fourth refusal, and kopf ended the process with it."""
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response({"kind": "Status"}, status=503 if asked <= REFUSALS else 200)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = kopf.OperatorSettings()
    configure(settings)
    pause = asyncio.sleep
    monkeypatch.setattr(api.asyncio, "sleep", lambda _: pause(0))
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with ClientSession() as session:
            context: Any = type("Context", (), {"session": session, "server": url})()
            request = api.request.__wrapped__  # type: ignore[attr-defined]
            logger = logging.getLogger("test")
            response = await request("get", url, settings=settings, context=context, logger=logger)
            assert response.status == 200
    finally:
        await runner.cleanup()
    assert asked == REFUSALS + 1
