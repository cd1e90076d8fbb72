"""The admission policies of a namespace, in force as in production."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom_core.model import names
from greenroom_local.admin import AdminError
from greenroom_local.installation import install_policies

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

IN_FORCE_SECONDS = 30.0
_PROBE = "are-the-policies-in-force"


async def put_under_policies(plane: ControlPlane, namespace: str) -> None:
    """Returns when not even the administrator may write a status. Both are compiled by the same controller at once."""
    await install_policies(plane.admin, namespace)
    sessions = f"/apis/{names.API_VERSION}/namespaces/{namespace}/agentsessions"
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "AgentSession",
        "metadata": {"name": _PROBE},
        "spec": {"callId": "probe"},
    }
    await plane.admin.request("POST", sessions, body)
    async with asyncio.timeout(IN_FORCE_SECONDS):
        while await _may_write(plane, f"{sessions}/{_PROBE}/status"):
            await asyncio.sleep(0.05)
    await plane.admin.request("DELETE", f"{sessions}/{_PROBE}")


async def _may_write(plane: ControlPlane, path: str) -> bool:
    """Asked in a dry run: other stacks on the same server count what was refused, and leave dry runs out."""
    patch = {"status": {"message": "hello"}}
    try:
        await plane.admin.request("PATCH", f"{path}?dryRun=All", patch, "application/merge-patch+json")
    except AdminError as error:
        if error.status != 403:
            raise
        return False
    return True
