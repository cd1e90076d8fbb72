"""An agent file as a program: one session in the console, an HTTP server, a runtime pod, the REST API of a cluster.

Each imports what it needs when it begins: a runtime pod needs neither an HTTP framework nor the console.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from greenroom.options import ServeOptions
from greenroom.redaction import described
from greenroom_core import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom.launcher import AgentLauncher

logger = logging.getLogger("greenroom.runner")

DRAIN_TIMEOUT_SECONDS = 3600.0


class Runner:
    """Ways to run the agent file that made `launcher`. `serve_options` are for `fast_api`."""

    def __init__(self, launcher: AgentLauncher, serve_options: ServeOptions | None = None) -> None:
        self.launcher = launcher
        self.serve_options = serve_options or ServeOptions()
        if self.serve_options.fast_api is not None:
            _ = self.fast_api  # the user's own application may be served by other means than ours

    @cached_property
    def fast_api(self) -> Any:
        """The FastAPI application that `serve` and `api` run; add routes to it before. Made when it is first used.

        ImportError where the extra `api` is not installed.
        """
        return _serving().fast_api(self.launcher, self.serve_options)

    def run(
        self,
        call_type: str = "default",
        call_id: str | None = None,
        debug: bool = False,
        log_level: str = "INFO",
        no_demo: bool = False,
        video_track_override: str | None = None,
        *,
        no_audio: bool = False,
        log_format: str = "text",
    ) -> None:
        """One session in the console, which one types or speaks to. Raises what the agent's code raises.

        `call_id` is made up when not given. `debug` turns on asyncio's own checks and tracebacks in the log.
        `video_track_override` is the path of a video that plays instead of any that comes in. Ctrl-C ends it cleanly.
        """
        from greenroom.console.program import Invitation, one_session, terminal
        from greenroom.console.screen import Beside

        screen = terminal()
        logs.set_up(log_level, log_format, stream=Beside.standard_error(screen), tracebacks=debug)
        _check_asyncio(debug)
        invitation = Invitation(
            call_type,
            call_id or str(uuid.uuid4()),
            demo=not no_demo,
            audio=not no_audio,
            video_track_override=video_track_override,
        )
        try:
            asyncio.run(one_session(self.launcher, invitation, screen), debug=debug or None)
        except (KeyboardInterrupt, asyncio.CancelledError):
            logger.info("ended by a signal; the agent has left")
        except Exception as error:
            logger.error("the session failed: %s", described(error), exc_info=error)
            raise

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        agents_log_level: str = "INFO",
        http_log_level: str = "INFO",
        debug: bool = False,
        *,
        drain_timeout_seconds: float = DRAIN_TIMEOUT_SECONDS,
        log_format: str = "text",
        talk_page: bool | None = None,
    ) -> None:
        """The HTTP server of this process: each POST starts an agent here. Returns after a signal.

        SIGTERM lets the sessions finish for `drain_timeout_seconds`, Ctrl-C or a second signal ends them. `talk_page`
        goes before that of the options.
        """
        logs.set_up(agents_log_level, log_format, http_level=http_log_level)
        _check_asyncio(debug)
        _serving().serve(
            self.fast_api,
            self.launcher,
            host=host,
            port=port,
            drain_seconds=drain_timeout_seconds,
            http_log_level=http_log_level,
            debug=debug,
            talk_page=self.serve_options.talk_page if talk_page is None else talk_page,
        )

    def runtime(self, arguments: Sequence[str] = (), *, debug: bool = False) -> None:
        """A runtime pod: the sessions that the operator binds to it. Leaves through SystemExit."""
        from greenroom.runtime.main import main

        _check_asyncio(debug)
        main(self.launcher, arguments)

    def api(self, arguments: Sequence[str] = (), *, debug: bool = False) -> None:
        """`fast_api` over the sessions of a whole cluster; no agent runs here."""
        _check_asyncio(debug)
        _serving().api(self.fast_api, arguments)

    def cli(self, args: Sequence[str] | None = None) -> None:
        """The command line; leaves through SystemExit."""
        from greenroom.commands import commands

        commands(self)(args=args)


def _serving() -> Any:
    """The HTTP side. ImportError with the way out where it is not installed."""
    try:
        import greenroom.serve
    except ModuleNotFoundError as error:
        raise ImportError(
            f"an agent's HTTP side needs the package {error.name}: pip install 'greenroom[api]'", name=error.name
        ) from error
    return greenroom.serve


def _check_asyncio(debug: bool) -> None:
    """Loops that are made from now on have asyncio's own checks; those of child processes, too."""
    if debug:
        os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
