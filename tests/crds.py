"""Custom resource definitions brought to a real API server, and waited for until they are served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from greenroom_local.admin import AdminError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenroom_local.admin import Admin

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SERVED_SECONDS = 30.0


async def install(admin: Admin, crd: Mapping[str, Any]) -> None:
    """Applies `crd` and returns when its resource answers. Raises TimeoutError after 30 s."""
    await admin.apply(f"{_DEFINITIONS}/{crd['metadata']['name']}", crd)
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    async with asyncio.timeout(_SERVED_SECONDS):
        while not await _served(admin, path):
            await asyncio.sleep(0.05)


async def _served(admin: Admin, path: str) -> bool:
    try:
        await admin.request("GET", path)
    except AdminError as error:
        if error.status not in (404, 429):
            raise
        return False
    return True
