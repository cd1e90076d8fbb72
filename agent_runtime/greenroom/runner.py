"""The command line of an agent file: `python my_agent.py run`, `… runtime`."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

import click

from greenroom.options import ServeOptions
from greenroom.redaction import described
from greenroom_core import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenroom.launcher import AgentLauncher

logger = logging.getLogger("greenroom.runner")

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)


class Runner:
    """Ways to run the agent file that made `launcher`."""

    def __init__(self, launcher: AgentLauncher, serve_options: ServeOptions | None = None) -> None:
        self.launcher = launcher
        self.serve_options = serve_options or ServeOptions()

    def run(
        self, call_type: str = "default", call_id: str | None = None, debug: bool = False, log_level: str = "INFO"
    ) -> None:
        """One session in the console; Ctrl-C ends it cleanly. Raises what the agent's code raises.

        `call_id` is made up when not given; `debug` turns on asyncio's own checks.
        """
        logs.set_up(log_level, "text")
        try:
            asyncio.run(self._one_session(call_type, call_id or str(uuid.uuid4())), debug=debug)
        except KeyboardInterrupt:
            logger.info("ended by Ctrl-C")

    def cli(self, args: Sequence[str] | None = None) -> None:
        """The command line; leaves through SystemExit."""
        self._commands()(args=args)

    async def _one_session(self, call_type: str, call_id: str) -> None:
        async with self.launcher:
            session = await self.launcher.start_session(call_id, call_type)
            print(f"session {session.id} joins call {call_type}/{call_id}; Ctrl-C ends it", flush=True)
            try:
                await session.wait()
            except Exception as error:
                logger.error("session %s failed: %s", session.id, described(error))
                raise
            print("the call is over", flush=True)

    def _commands(self) -> click.Group:
        @click.group()
        def commands() -> None:
            """Run this agent."""

        @commands.command(help="One session here, in the console.")
        @click.option("--call-type", default="default", show_default=True)
        @click.option("--call-id", default=None, help="Made up when not given.")
        @click.option("--debug", is_flag=True, help="asyncio's own checks.")
        @click.option("--log-level", type=_LEVELS, default="INFO", show_default=True)
        def run(call_type: str, call_id: str | None, debug: bool, log_level: str) -> None:
            self.run(call_type, call_id, debug, log_level)

        @commands.command(
            help="Inside a cluster: runs the sessions bound to this pod. --help shows its settings.",
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )
        @click.argument("settings", nargs=-1, type=click.UNPROCESSED)
        def runtime(settings: tuple[str, ...]) -> None:
            from greenroom.runtime.main import main

            main(self.launcher, settings)

        return commands
