"""Runs the operator's program inside a process: transport, HTTP server, start and stop in order."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from greenroom_core.clock import SystemClock
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World
from greenroom_operator.program import Operator
from greenroom_operator.server import serve

if TYPE_CHECKING:
    from greenroom_core.kube.auth import Credentials
    from greenroom_operator.settings import Settings

logger = logging.getLogger("greenroom.operator.shell")


class Shell:
    """`start` and `stop` are kopf's startup and cleanup."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self.settings = settings
        self.credentials = credentials
        self._stack = AsyncExitStack()
        self._operator: Operator | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def operator(self) -> Operator:
        if self._operator is None:
            raise RuntimeError("the operator has not been started")
        return self._operator

    @property
    def failed(self) -> bool:
        return self._task is not None and self._task.done()

    async def start(self) -> None:
        logger.info("settings: %s", self.settings)
        transport = await self._stack.enter_async_context(
            HttpTransport(self.credentials, user_agent="greenroom-operator")
        )
        seed = random.SystemRandom().getrandbits(64)
        world = World(SystemClock(), random.Random(seed), transport)
        self._operator = Operator(
            world,
            self.settings,
            lease_namespace=self.settings.lease_namespace or self.credentials.namespace,
            identity=f"{socket.gethostname()}-{seed:016x}",
        )
        await self._stack.enter_async_context(serve(self._operator, self.settings.host, self.settings.port))
        self._task = asyncio.create_task(self._operator.run(), name="operator")

    async def stop(self) -> None:
        """The program first, then its server, then its connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._stack.aclose()
