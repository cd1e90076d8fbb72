"""A few requests to the API server as its administrator, for setting up. The hot path is not here."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from greenroom_local.certificates import Certificates

_ANSWER_SECONDS = 20.0


class AdminError(Exception):
    """The API server refused, or did not answer; the message is its own. `status` is 0 without an answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Admin:
    """The administrator's door: one connection for each request, so it belongs to no event loop."""

    server_url: str
    files: Certificates

    async def request(
        self, method: str, path: str, body: object | None = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Send JSON and give the JSON answer; an answer that is not JSON comes as ``{"text": …}``.

        Raises :class:`AdminError`.
        """
        try:
            status, text = await self._send(method, path, body, content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AdminError(f"{method} {path}: {error!r}", 0) from None
        answer = _parse(text)
        if status >= 400:
            raise AdminError(f"{method} {path}: {status} {answer.get('message') or text[:300]}", status)
        return answer

    async def create(self, path: str, body: object) -> bool:
        """POST; False when an object of this name was there already."""
        try:
            await self.request("POST", path, body)
        except AdminError as error:
            if error.status == 409:
                return False
            raise
        return True

    async def apply(self, path: str, body: object) -> dict[str, Any]:
        """Server-side apply of one object to its own path (name included); ours wins."""
        query = "?fieldManager=greenroom-local&force=true"
        return await self.request("PATCH", path + query, body, "application/apply-patch+yaml")

    async def _send(self, method: str, path: str, body: object | None, content_type: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._context(), force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            data = None if body is None else json.dumps(body).encode()
            async with session.request(
                method, self.server_url + path, data=data, headers={"Content-Type": content_type}
            ) as response:
                return response.status, await response.text()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.files.ca))
        context.load_cert_chain(self.files.admin, self.files.admin_key)
        return context


def _parse(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {"text": text}
    return answer if isinstance(answer, dict) else {"text": text}
