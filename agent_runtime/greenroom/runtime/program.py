"""What a runtime pod stands on in a real cluster: connections to the API server, and its own HTTP port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from random import Random
from typing import TYPE_CHECKING

from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.server import serve
from greenroom_core.clock import SystemClock
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.launcher import AgentLauncher
    from greenroom.runtime.settings import RuntimeSettings
    from greenroom_core.kube.auth import Credentials


class CannotListen(OSError):
    """The pod's port cannot be had; the text says which, and how to choose another."""


@asynccontextmanager
async def opened(
    launcher: AgentLauncher, settings: RuntimeSettings, credentials: Credentials
) -> AsyncIterator[RuntimePod]:
    """The pod, with /health, /ready and /metrics answered; it does not run yet. Raises CannotListen."""
    async with HttpTransport(credentials, user_agent=f"greenroom-runtime/{_version()}") as transport:
        pod = RuntimePod(World(SystemClock(), Random(), transport), launcher, settings)
        try:
            server = await serve(pod, settings.host, settings.port)
        except OSError as error:
            place = f"{settings.host}:{settings.port} (--host, --port)"
            raise CannotListen(f"cannot listen on {place}: {error.strerror}") from error
        try:
            yield pod
        finally:
            await server.cleanup()


def _version() -> str:
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"
