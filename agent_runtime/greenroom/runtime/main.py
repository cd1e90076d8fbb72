"""`python my_agent.py runtime`: the pod program with its HTTP server and signals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from random import Random
from typing import TYPE_CHECKING

from greenroom.runtime.pod import RuntimePod
from greenroom.runtime.server import serve
from greenroom.runtime.settings import RuntimeSettings
from greenroom_core import logs
from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.http import HttpTransport
from greenroom_core.settings import BadSetting, load
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenroom.launcher import AgentLauncher

logger = logging.getLogger("greenroom.runtime.main")


def main(launcher: AgentLauncher, arguments: Sequence[str]) -> None:
    """Runs until SIGTERM and the drain that follows; leaves through SystemExit, 0 when all went well."""
    try:
        settings = load(RuntimeSettings, "runtime", arguments)
        credentials = auth.discover()
    except (BadSetting, auth.NoCredentials) as error:
        sys.exit(f"runtime: {error}")
    logs.set_up(settings.log_level, settings.log_format)
    logger.info("settings: %s", " ".join(f"{name}={value}" for name, value in asdict(settings).items()))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        problem, lingering = runner.run(_run(launcher, settings, credentials))
        if lingering:
            # Tasks that ignore their cancellation would keep the loop from ever closing.
            logger.error("%d tasks of agents do not end; the process ends without them", lingering)
            _exit_at_once(1 if problem else 0)
    sys.exit(problem)


async def _run(
    launcher: AgentLauncher, settings: RuntimeSettings, credentials: auth.Credentials
) -> tuple[str | None, int]:
    """What went wrong, if anything, and how many tasks would not end."""
    transport = HttpTransport(credentials, user_agent=f"greenroom-runtime/{_version()}")
    async with transport:
        pod = RuntimePod(World(SystemClock(), Random(), transport), launcher, settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, pod.drain)
        try:
            server = await serve(pod, settings.host, settings.port)
        except OSError as error:
            return f"runtime: cannot listen on {settings.host}:{settings.port} (--host, --port): {error.strerror}", 0
        try:
            await pod.run()
        finally:
            await server.cleanup()
        return None, pod.lingering


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return,unused-ignore]


def _version() -> str:
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "unknown"


def _exit_at_once(status: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
