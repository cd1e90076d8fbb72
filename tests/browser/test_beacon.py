"""A page of another site starts a session and is left: its beacon, which cannot send a header, ends the session."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.browser.chromium import Chromium
from tests.integration.api.test_process import a_bench

from greenroom_local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.browser, pytest.mark.integration]

KEY = "a-key-of-the-page-s-own-server"
PAGE = """<!doctype html><title>A site</title><link rel="icon" href="data:,"><script>
async function start(key) {
  const headers = {Authorization: `Bearer ${key}`};
  const answer = await fetch("%(api)s/calls/room/sessions", {method: "POST", headers});
  const {session_id} = await answer.json();
  const token = answer.headers.get("Greenroom-Close-Token");
  addEventListener("pagehide", () =>
    navigator.sendBeacon(`%(api)s/calls/room/sessions/${session_id}/close?token=${token}`));
  return `${answer.status} ${token ? "token" : "no token"}`;
}
</script>"""


@asynccontextmanager
async def site(api: str) -> AsyncIterator[str]:
    """Its address; another port is another origin."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE % {"api": api}, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, LOOPBACK, 0)
    try:
        await listening.start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_leaving_the_page_ends_the_session(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path, chromium: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "site").write_text(f"{KEY}\nstart\n")
    variables = {
        "GREENROOM_AUTH": "keys",
        "GREENROOM_AUTH_KEYS_FOLDER": str(keys),
        "GREENROOM_CORS_ALLOW_ORIGINS": "*",
    }
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    async with (
        a_bench(control_plane, namespace, tmp_path, lambda pad: pad.api(1, variables=variables)) as bench,
        site(bench.api.url) as address,
        Chromium(chromium, tmp_path, environment=environment) as browser,
    ):
        page = await browser.page()
        await page.open(address)
        starting = asyncio.create_task(page.evaluate(f"start({KEY!r})"))
        session = await bench.session_of("room")
        await bench.run(session)
        assert await starting == "201 token"
        assert page.complaints == []
        await page.call("Page.navigate", url="about:blank")
        await bench.until(
            lambda: (known := bench.sessions.store.get(session.metadata.uid)) is None or known.close_requested
        )
        await bench.until(lambda: "caller=close-token act=close call=room" in bench.api.log)
