"""The program `greenroom api`: the real world around an application over a cluster."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from typing import TYPE_CHECKING

import msgspec

from greenroom_api import headers, server, talk
from greenroom_api.app import create_app
from greenroom_api.auth.chosen import doorkeeper
from greenroom_api.cluster import ClusterBackend
from greenroom_api.instruments import Instruments
from greenroom_api.patience import Patience
from greenroom_api.settings import ApiSettings, AuthMode, AuthSettings, TurnSettings
from greenroom_core import logs, settings
from greenroom_core.clock import SystemClock
from greenroom_core.event_loop import loop_factory
from greenroom_core.kube import auth
from greenroom_core.kube.http import HttpTransport
from greenroom_core.world import World

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from fastapi import FastAPI

logger = logging.getLogger("greenroom.api")

_WATCHES = 2


async def serve(
    chosen: ApiSettings,
    turn: TurnSettings,
    who: AuthSettings,
    listener: socket.socket,
    app: FastAPI | None = None,
) -> None:
    """Runs until SIGTERM or SIGINT. An `app` of somebody's own must have been equipped; its backend is replaced, and
    its permission checks are its own.

    Raises auth.NoCredentials and BadSetting.
    """
    credentials = auth.discover()
    namespace = chosen.namespace or credentials.namespace
    transport = HttpTransport(
        credentials, user_agent="greenroom-api", connections_limit=chosen.kube_requests + _WATCHES
    )
    world = World(SystemClock(), random.SystemRandom(), transport)
    async with transport, doorkeeper(who, world, namespace) as keeper:
        instruments: Instruments = app.state.instruments if app is not None else Instruments()
        backend = ClusterBackend(
            world, namespace, requests_limit=chosen.kube_requests, on_answer=instruments.kube_answered
        )
        if app is None:
            app = create_app(
                backend,
                permissions=keeper.permissions() if keeper is not None else None,
                instruments=instruments,
                clock=world.clock,
                close_tokens=keeper.close_tokens if keeper is not None else None,
            )
            headers.allow_origins(app, chosen.cors_allow_origins)
        app.state.backend = backend
        if chosen.talk_page:
            talk.install(app, turn)
        logger.info("serving namespace %s", namespace)
        web = server.Server(
            app,
            shutdown_seconds=chosen.shutdown_seconds,
            drain_seconds=chosen.drain_seconds,
            patience=Patience(
                head_seconds=chosen.request_seconds,
                body_seconds=chosen.request_seconds,
                connections=chosen.connections,
            ),
        )
        await web.serve(sockets=[listener])


def run(program: str, arguments: Sequence[str], app: FastAPI | None = None) -> None:
    """Blocks until the end; leaves through SystemExit with one sentence where it cannot start."""
    try:
        chosen = settings.load(ApiSettings, program, arguments)
        turn = settings.load(TurnSettings, program, ())
        who = settings.load(AuthSettings, program, ())
        if app is not None and who.auth is not AuthMode.NONE:
            raise settings.BadSetting(
                f"GREENROOM_AUTH={who.auth} is for `greenroom api`: an agent file's API asks its own permission checks"
            )
        logs.set_up(chosen.log_level, chosen.log_format)
        logger.info("settings: %s", msgspec.to_builtins(chosen) | msgspec.to_builtins(who))
        listener = server.bind(chosen.host, chosen.port)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(chosen, turn, who, listener, app))
    except (settings.BadSetting, auth.NoCredentials, OSError) as problem:
        sys.exit(f"{program}: {problem}")
    except KeyboardInterrupt:
        pass


def main(argv: Sequence[str]) -> None:
    """`argv[0]` is the command word."""
    run(f"greenroom {argv[0]}", argv[1:])


if __name__ == "__main__":
    main(["api", *sys.argv[1:]])
