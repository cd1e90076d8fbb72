"""`python my_agent.py runtime`: the pod program with its HTTP server and signals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from greenroom.collection import collect_less_often
from greenroom.hosts.pod import PodHost
from greenroom.runtime.program import CannotListen, opened
from greenroom.runtime.settings import RuntimeSettings, StoreSettings
from greenroom_core import logs
from greenroom_core.event_loop import loop_factory
from greenroom_core.kube import auth
from greenroom_core.settings import BadSetting, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom.launcher import AgentLauncher

logger = logging.getLogger("greenroom.runtime.main")


def main(launcher: AgentLauncher, arguments: Sequence[str]) -> None:
    """Runs until SIGTERM and the drain that follows; leaves through SystemExit, 0 when all went well."""
    try:
        settings = load(RuntimeSettings, "runtime", arguments)
        use_store(launcher, load(StoreSettings, "runtime", ()))
        credentials = auth.discover()
    except (BadSetting, auth.NoCredentials) as error:
        sys.exit(f"runtime: {error}")
    logs.set_up(settings.log_level, settings.log_format)
    collect_less_often()
    logger.info("settings: %s", " ".join(f"{name}={value}" for name, value in asdict(settings).items()))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        problem, lingering = runner.run(_run(launcher, settings, credentials))
        if lingering:
            # Tasks that ignore their cancellation would keep the loop from ever closing.
            logger.error("%d tasks of agents do not end; the process ends without them", lingering)
            _exit_at_once(1 if problem else 0)
    sys.exit(problem)


def use_store(launcher: AgentLauncher, settings: StoreSettings) -> None:
    """The store of checkpoints that the pod's variables name, unless the agent file has one. Raises BadSetting."""
    if not settings.checkpoints_url or launcher.checkpoints is not None:
        return
    try:
        from greenroom.checkpoints.redis import RedisCheckpoints

        launcher.keep_checkpoints(RedisCheckpoints(url=settings.checkpoints_url))
    except (ModuleNotFoundError, ValueError) as error:
        raise BadSetting(f"GREENROOM_CHECKPOINTS_URL: {error}") from None


async def _run(
    launcher: AgentLauncher, settings: RuntimeSettings, credentials: auth.Credentials
) -> tuple[str | None, int]:
    """What went wrong, if anything, and how many tasks would not end."""
    host = PodHost(launcher.lives, lambda: opened(launcher, settings, credentials))
    launcher.host = host
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, host.leave)
    try:
        await host.run()
    except CannotListen as error:
        return f"runtime: {error}", 0
    return None, host.lingering


def _exit_at_once(status: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
