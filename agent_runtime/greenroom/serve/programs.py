"""The two programs behind an agent file's HTTP commands: each blocks until it has ended in order."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from greenroom.collection import collect_less_often
from greenroom.redaction import described
from greenroom_api import main, server, talk
from greenroom_api.settings import TurnSettings
from greenroom_core import settings
from greenroom_core.clock import SystemClock
from greenroom_core.event_loop import loop_factory

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from fastapi import FastAPI

    from greenroom.launcher import AgentLauncher

logger = logging.getLogger("greenroom.api.serve")

DRAIN_SECONDS = 3600.0
_SHUTDOWN_SECONDS = 2.0
_LINGER_SECONDS = 5.0
_HTTP_LOGGERS = ("fastapi", "uvicorn", "uvicorn.access", "uvicorn.error", "greenroom.api")


def serve(
    app: FastAPI,
    launcher: AgentLauncher,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    drain_seconds: float = DRAIN_SECONDS,
    http_log_level: str = "INFO",
    debug: bool = False,
    talk_page: bool = True,
) -> None:
    """Serves `app`, as :func:`greenroom.serve.fast_api` made it, until a signal; returns when all is closed.

    SIGTERM: not ready, no new sessions, those here may finish for `drain_seconds`. Ctrl-C, or a second signal, closes
    at once. Leaves through SystemExit with one sentence when it cannot listen, with status 3 when the agent cannot be
    warmed up; the log says why in a line, with `debug` where. The log is the caller's to set up (`greenroom_core.logs`
    keeps probes out of it), its levels of HTTP are set here.
    """
    for http_logger in map(logging.getLogger, _HTTP_LOGGERS):
        if http_logger.level == logging.NOTSET:  # a level that a user has set stays
            http_logger.setLevel(http_log_level.upper())
    if not debug:
        logging.getLogger("uvicorn.error").addFilter(brief)
    collect_less_often()
    try:
        if talk_page:
            talk.install(app, settings.load(TurnSettings, "serve", ()))
        listener = server.bind(host, port)
    except settings.BadSetting as problem:
        sys.exit(f"serve: {problem}")
    except (OSError, OverflowError) as problem:
        sys.exit(f"serve: cannot listen on {host}:{port} (--host, --port): {problem}")
    web = server.Server(
        app,
        shutdown_seconds=_SHUTDOWN_SECONDS,
        access_log=True,
        drained=lambda: launcher.drain(drain_seconds),
    )
    with asyncio.Runner(debug=debug or None, loop_factory=loop_factory()) as runner, listener:
        stuck = runner.run(_until_the_end(web, listener))
        if stuck:
            # Tasks that ignore their cancellation would keep the loop from ever closing.
            logger.error("%d tasks of agents do not end; the process ends without them", stuck)
            _exit_at_once()


def brief(record: logging.LogRecord) -> bool:
    """A start that failed is told in a line. The HTTP server gets it as an exception, or as the text of a traceback."""
    if record.exc_info and record.exc_info[1] is not None:
        record.msg, record.args, record.exc_info = "the start failed: %s", (described(record.exc_info[1]),), None
    elif str(record.msg).startswith("Traceback (most recent call last):"):
        record.msg, record.args = "the start failed: %s", (_last_error(str(record.msg)),)
    return True


def _last_error(traceback: str) -> str:
    """`TypeName: what it says`, which stands below the last line that is indented."""
    lines = traceback.rstrip().splitlines()
    start = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1) + 1
    return re.sub(r"^(?:\w+\.)+(?=\w)", "", "\n".join(lines[start:]))


def api(app: FastAPI, arguments: Sequence[str], *, program: str = "api") -> None:
    """Serves the same `app` over the AgentSession objects of a namespace; no agent runs here.

    `arguments` are those of `greenroom api` without the command word, e.g. ("--port", "8080"); GREENROOM_… variables
    count, too. `program` is the name that --help and errors use. It sets up logging itself.
    """
    main.run(program, arguments, app)


async def _until_the_end(web: server.Server, listener: socket.socket) -> int:
    """How many tasks would not end, of those that are left when the server and the launcher have stopped."""
    await web.serve([listener])
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    with suppress(TimeoutError):
        async with SystemClock().timeout(_LINGER_SECONDS):
            while left:
                _, left = await asyncio.wait(left)
    return sum(not task.done() for task in left)


def _exit_at_once() -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
