"""`greenroom up`: everything on this machine, left running, with what to try next."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom_local.binaries import pins
from greenroom_local.binaries.found import Unusable, check_kubectl, version_tuple
from greenroom_local.signals import until_asked_to_end
from greenroom_local.stack import Plan, Stack, running

if TYPE_CHECKING:
    from collections.abc import Callable


async def up(plan: Plan, say: Callable[[str], None]) -> None:
    """Until Ctrl-C or SIGTERM. Raises what :func:`running` raises."""
    await until_asked_to_end(_stay_up(plan, say), say)


async def _stay_up(plan: Plan, say: Callable[[str], None]) -> None:
    async with running(plan, say) as stack:
        for line in advice(plan, stack, kubectl_here(plan)):
            say(line)
        await asyncio.Event().wait()


def advice(plan: Plan, stack: Stack, kubectl: str) -> tuple[str, ...]:
    """What is where, a page to speak on, and three commands to try next."""
    kubeconfig = short(stack.plane.kubeconfig)
    calls = f"{stack.api_url}/calls/first-call/sessions"
    return (
        "",
        "Greenroom is up. Ctrl-C ends it.",
        f"  talk        {stack.api_url}/talk   (a browser, a microphone)",
        f"  API         {stack.api_url}   (described at {stack.api_url}/docs)",
        f"  kubeconfig  {kubeconfig}",
        f"  logs        {short(stack.node.logs)}",
        "",
        "Start a session, look on, and read its metrics with the session_id of the first answer:",
        f"  curl -X POST {calls} -H 'Content-Type: application/json' -d '{{}}'",
        f"  {kubectl} --kubeconfig {kubeconfig} get agentsessions -w",
        f"  curl {calls}/SESSION_ID/metrics",
        "",
    )


def kubectl_here(plan: Plan) -> str:
    """The user's own kubectl where it works and is not too old for the server, else ours under a short name."""
    found = shutil.which("kubectl")
    if found is not None:
        with contextlib.suppress(Unusable):
            if version_tuple(check_kubectl(Path(found))) >= pins.OLDEST_KUBERNETES:
                return "kubectl"
    link = plan.directory / "kubectl"
    link.unlink(missing_ok=True)
    link.symlink_to(plan.binaries.kubectl)
    return short(link)


def short(path: Path) -> str:
    """Relative to where the user stands, if it lies there."""
    here = Path(os.getcwd())
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
