"""The command line of an agent file: `python my_agent.py run`, `… serve`, `… runtime`, `… api`."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import click

from greenroom.runner import DRAIN_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenroom.runner import Runner

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)
_FORMATS = click.Choice(["text", "json"], case_sensitive=False)
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


def commands(runner: Runner) -> click.Group:
    """The commands over one Runner."""

    @click.group()
    def agent_file() -> None:
        """Run this agent."""

    for command in (_run(runner), _serve(runner), _runtime(runner), _api(runner)):
        agent_file.add_command(command)
    return agent_file


def _run(runner: Runner) -> click.Command:
    @click.command("run", help="One session here, in the console: type or speak to the agent.")
    @click.option("--call-type", default="default", show_default=True, help="Type of the call.")
    @click.option("--call-id", default=None, help="The call to join; made up when not given.")
    @click.option("--log-level", type=_LEVELS, default="INFO", show_default=True, help="Level of the log.")
    @click.option("--no-demo", is_flag=True, help="Do not open the edge's demo page.")
    @click.option("--no-audio", is_flag=True, help="Neither microphone nor loudspeaker: type.")
    @click.option(
        "--video-track-override",
        type=click.Path(dir_okay=False, exists=True, resolve_path=True),
        default=None,
        help="A video that plays instead of any that comes in.",
    )
    @_common
    def run(debug: bool, **options: Any) -> None:
        try:
            runner.run(debug=debug, **options)
        except Exception:
            sys.exit(1)  # run() has logged it, with its traceback where --debug wants that

    return run


def _serve(runner: Runner) -> click.Command:
    @click.command("serve", help="An HTTP server here: each POST starts an agent.")
    @click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
    @click.option("--port", type=int, default=8000, show_default=True, help="Port to listen on.")
    @click.option("--agents-log-level", type=_LEVELS, default="INFO", show_default=True, help="Level for the agents.")
    @click.option("--http-log-level", type=_LEVELS, default="INFO", show_default=True, help="Level for the server.")
    @click.option(
        "--drain-timeout-seconds",
        type=click.FloatRange(min=0),
        default=DRAIN_TIMEOUT_SECONDS,
        show_default=True,
        envvar="GREENROOM_DRAIN_TIMEOUT_SECONDS",
        help="How long calls may go on after SIGTERM.",
    )
    @click.option("--talk-page/--no-talk-page", default=None, help="The page /talk, to speak with the agent (on).")
    @_common
    def serve(**options: Any) -> None:
        _or_one_sentence(lambda: runner.serve(**options))

    return serve


def _runtime(runner: Runner) -> click.Command:
    @click.command(
        "runtime",
        help="In a cluster: runs the sessions bound to this pod. --help shows its settings.",
        add_help_option=False,
        context_settings=_PASSED_ON,
    )
    @_flags
    @click.argument("settings", nargs=-1, type=click.UNPROCESSED)
    def runtime(settings: tuple[str, ...], debug: bool) -> None:
        runner.runtime(settings, debug=debug)

    return runtime


def _api(runner: Runner) -> click.Command:
    @click.command(
        "api",
        help="In a cluster: this file's HTTP side over all its sessions. --help shows its settings.",
        add_help_option=False,
        context_settings=_PASSED_ON,
    )
    @_flags
    @click.argument("settings", nargs=-1, type=click.UNPROCESSED)
    def api(settings: tuple[str, ...], debug: bool) -> None:
        _or_one_sentence(lambda: runner.api(settings, debug=debug))

    return api


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """What `run` and `serve` both take; the other two have it among their settings."""
    log_format = click.option(
        "--log-format",
        type=_FORMATS,
        default="text",
        show_default=True,
        envvar="GREENROOM_LOG_FORMAT",
        help="One line an event, as text or as a JSON object.",
    )
    return _flags(log_format(command))


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    debug = click.option("--debug", is_flag=True, help="asyncio's own checks.")
    splash = click.option(
        "--no-splash", is_flag=True, expose_value=False, is_eager=True, callback=_splash, help="No name and version."
    )
    return debug(splash(command))


def _splash(context: click.Context, _: click.Parameter, no_splash: bool) -> None:
    """The name and the version, where somebody can read them."""
    if not no_splash and not context.resilient_parsing and sys.stdout is not None and sys.stdout.isatty():
        click.secho(f"greenroom {_version()}", bold=True)


def _or_one_sentence(program: Callable[[], None]) -> None:
    """A package that is not installed is told in one sentence."""
    try:
        program()
    except ImportError as error:
        if error.name is None:
            raise
        sys.exit(str(error))


def _version() -> str:
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "(not installed)"
