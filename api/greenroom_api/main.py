"""The program `greenroom api`: the real world around the application, and the order of its end."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from greenroom_api.app import create_app
from greenroom_api.cluster import ClusterBackend
from greenroom_api.instruments import Instruments
from greenroom_api.settings import ApiSettings
from greenroom_core import logs, settings
from greenroom_core.clock import SystemClock
from greenroom_core.kube import auth
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greenroom_api.backend import SessionBackend

logger = logging.getLogger("greenroom.api")

_WATCHES = 2
_BACKLOG = 2048


class ApiServer(uvicorn.Server):
    """Before it stops listening it tells the backend to leave, so that those who wait get their answer."""

    def __init__(self, config: uvicorn.Config, backend: SessionBackend) -> None:
        super().__init__(config)
        self._backend = backend

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike the original, this does not raise the signal again after the end: the exit status is 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logger.info("leaving")
        self._backend.leave()
        await super().shutdown(sockets)


async def serve(chosen: ApiSettings, listener: socket.socket) -> None:
    """Runs until SIGTERM or SIGINT. Raises auth.NoCredentials."""
    credentials = auth.discover()
    namespace = chosen.namespace or credentials.namespace
    transport = HttpTransport(
        credentials, user_agent="greenroom-api", connections_limit=chosen.kube_requests + _WATCHES
    )
    async with transport:
        world = World(SystemClock(), random.SystemRandom(), transport)
        instruments = Instruments()
        backend = ClusterBackend(
            world, namespace, requests_limit=chosen.kube_requests, on_answer=instruments.kube_answered
        )
        instruments.observe_gauges(backend.gauges)
        config = uvicorn.Config(
            create_app(backend, instruments=instruments, clock=world.clock),
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=max(1, round(chosen.shutdown_seconds)),
        )
        host, port = listener.getsockname()[:2]
        logger.info("listening on http://%s:%d for namespace %s", host, port, namespace)
        await ApiServer(config, backend).serve(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def main(argv: Sequence[str]) -> None:
    """`argv[0]` is the command word."""
    try:
        chosen = settings.load(ApiSettings, f"greenroom {argv[0]}", argv[1:])
        logs.set_up(chosen.log_level, chosen.log_format)
        logger.info("settings: %s", dataclasses.asdict(chosen))
        listener = listen(chosen.host, chosen.port)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(chosen, listener))
    except (settings.BadSetting, auth.NoCredentials) as problem:
        sys.exit(f"greenroom api: {problem}")
    except OSError as problem:
        sys.exit(f"greenroom api: {problem}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main(["api", *sys.argv[1:]])
