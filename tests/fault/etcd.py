"""etcd by its HTTP gateway: writes that nobody watches, and compaction."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

_BACK_SECONDS = 30.0
_POLL_SECONDS = 0.1
# No resource of the API server.
_KEY = base64.b64encode(b"/faults/none-of-yours").decode()


async def forget_the_past(plane: ControlPlane) -> int:
    """A few revisions that are nobody's, then all before the last of them forgotten. Gives that revision."""
    async with _gateway(plane) as http:
        for _ in range(3):
            answer = await _ask(http, "/v3/kv/put", {"key": _KEY, "value": _KEY})
        revision = int(answer["header"]["revision"])
        await _ask(http, "/v3/kv/compaction", {"revision": str(revision), "physical": True})
    return revision


async def until_back(plane: ControlPlane) -> None:
    """Until it answers. TimeoutError after 30 s."""
    async with asyncio.timeout(_BACK_SECONDS), _gateway(plane) as http:
        while True:
            try:
                await _ask(http, "/v3/kv/range", {"key": _KEY})
                return
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(_POLL_SECONDS)


def _gateway(plane: ControlPlane) -> aiohttp.ClientSession:
    tls = ssl.create_default_context(cafile=str(plane.files.ca))
    tls.load_cert_chain(plane.files.server, plane.files.server_key)
    return aiohttp.ClientSession(plane.etcd_url, connector=aiohttp.TCPConnector(ssl=tls))


async def _ask(http: aiohttp.ClientSession, path: str, body: object) -> dict[str, Any]:
    async with http.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json(content_type=None)
        response.raise_for_status()
        return answer
