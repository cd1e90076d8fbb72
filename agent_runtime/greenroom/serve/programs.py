"""The two programs behind an agent file's HTTP commands: each blocks until it has ended in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from greenroom.launcher import AgentLauncher


def serve(
    app: FastAPI,
    launcher: AgentLauncher,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    drain_seconds: float = 3600.0,
    http_log_level: str = "INFO",
    debug: bool = False,
) -> None:
    """Serves `app`, as :func:`greenroom.serve.fast_api` made it, until a signal; returns when all is closed.

    SIGTERM: not ready, no new sessions, those here may finish for `drain_seconds`. Ctrl-C, or a second signal, closes
    at once. Leaves through SystemExit with one sentence when it cannot listen. Logging is the caller's to set up.
    """
    raise NotImplementedError


def api(app: FastAPI, arguments: Sequence[str], *, program: str = "api") -> None:
    """Serves the same `app` over the AgentSession objects of a namespace; no agent runs here.

    `arguments` are those of `greenroom api` without the command word, e.g. ("--port", "8080"); GREENROOM_… variables
    count, too. `program` is the name that --help and errors use. It sets up logging itself.
    """
    raise NotImplementedError
