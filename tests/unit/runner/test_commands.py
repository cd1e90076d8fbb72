"""The command line of an agent file: its options and defaults, and what it hands to the Runner."""

from __future__ import annotations

import builtins
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI

from greenroom import AgentLauncher, Runner, ServeOptions
from greenroom.commands import commands

if TYPE_CHECKING:
    from pathlib import Path


class Noted(Runner):
    """Does nothing, notes what it is asked to do."""

    def __init__(self) -> None:
        super().__init__(AgentLauncher(create_agent=object, join_call=_never))
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def run(self, *arguments: Any, **options: Any) -> None:
        self.asked.append(("run", arguments, options))

    def serve(self, *arguments: Any, **options: Any) -> None:
        self.asked.append(("serve", arguments, options))

    def runtime(self, *arguments: Any, **options: Any) -> None:
        self.asked.append(("runtime", arguments, options))

    def api(self, *arguments: Any, **options: Any) -> None:
        self.asked.append(("api", arguments, options))


async def _never(agent: object, call_type: str, call_id: str) -> None:
    raise AssertionError


def call(runner: Noted, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(commands(runner), words, env=environment)


def defaults(command: str) -> dict[str, Any]:
    made = commands(Noted()).commands[command]
    return {option: each.default for each in made.params if isinstance(each, click.Option) for option in each.opts}


RUN = {
    "call_type": "default",
    "call_id": None,
    "debug": False,
    "log_level": "INFO",
    "no_demo": False,
    "no_audio": False,
    "video_track_override": None,
    "log_format": "text",
}
SERVE = {
    "host": "127.0.0.1",
    "port": 8000,
    "agents_log_level": "INFO",
    "http_log_level": "INFO",
    "debug": False,
    "drain_timeout_seconds": 3600.0,
    "talk_page": None,
    "log_format": "text",
}


def test_there_are_four_commands() -> None:
    assert sorted(commands(Noted()).commands) == ["api", "run", "runtime", "serve"]


@pytest.mark.parametrize("command", ["run", "serve"])
def test_the_options_are_those_their_users_know(command: str) -> None:
    known = {
        "run": {
            *("--call-type", "--call-id", "--debug", "--log-level"),
            *("--no-demo", "--video-track-override", "--no-splash"),
        },
        "serve": {"--host", "--port", "--agents-log-level", "--http-log-level", "--debug", "--no-splash"},
    }
    ours = {
        "run": {"--log-format", "--no-audio"},
        "serve": {"--log-format", "--drain-timeout-seconds", "--talk-page"},
    }
    assert set(defaults(command)) == known[command] | ours[command]


@pytest.mark.parametrize(("command", "expected"), [("run", RUN), ("serve", SERVE)])
def test_without_options_the_runner_gets_the_defaults(command: str, expected: dict[str, Any]) -> None:
    runner = Noted()
    assert call(runner, command).exit_code == 0
    assert runner.asked == [(command, (), expected)]


def test_run_hands_on_what_is_given(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    runner = Noted()
    words = "run --call-type livestream --call-id c-1 --debug --log-level warning --no-demo --no-audio --no-splash"
    result = call(runner, *words.split(), "--video-track-override", str(video), "--log-format", "JSON")
    assert result.exit_code == 0, result.output
    assert runner.asked == [
        (
            "run",
            (),
            {
                "call_type": "livestream",
                "call_id": "c-1",
                "debug": True,
                "log_level": "WARNING",
                "no_demo": True,
                "no_audio": True,
                "video_track_override": str(video.resolve()),
                "log_format": "json",
            },
        )
    ]


def test_serve_hands_on_what_is_given() -> None:
    runner = Noted()
    words = "serve --host 0.0.0.0 --port 80 --agents-log-level Debug --http-log-level error --debug --no-splash"
    ours = ("--drain-timeout-seconds", "5", "--no-talk-page")
    result = call(runner, *words.split(), *ours, GREENROOM_LOG_FORMAT="json")
    assert result.exit_code == 0, result.output
    assert runner.asked[0][2] == {
        "host": "0.0.0.0",
        "port": 80,
        "agents_log_level": "DEBUG",
        "http_log_level": "ERROR",
        "debug": True,
        "drain_timeout_seconds": 5.0,
        "talk_page": False,
        "log_format": "json",
    }


@pytest.mark.parametrize("command", ["runtime", "api"])
def test_settings_of_a_cluster_are_passed_on(command: str) -> None:
    runner = Noted()
    words = "--debug --port 0 --no-splash --log-format json --help"
    assert call(runner, command, *words.split()).exit_code == 0
    assert runner.asked == [(command, (("--port", "0", "--log-format", "json", "--help"),), {"debug": True})]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run --log-level loud", "'loud' is not one of"),
        ("run --video-track-override /no/such/file.mp4", "does not exist"),
        ("serve --port eighty", "'eighty' is not a valid integer"),
        ("serve --drain-timeout-seconds -1", "is not in the range"),
        ("walk", "No such command 'walk'"),
    ],
)
def test_what_cannot_be_meant_is_told(words: str, told: str) -> None:
    runner = Noted()
    result = call(runner, *words.split())
    assert (result.exit_code, runner.asked) == (2, [])
    assert told in result.output


def test_the_command_line_leaves_through_systemexit() -> None:
    runner = Noted()
    with pytest.raises(SystemExit) as left:
        runner.cli(["run", "--no-splash"])
    assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        runner.cli(["run", "--port", "1"])
    assert left.value.code == 2


def test_an_application_of_ones_own_is_used_as_it_is() -> None:
    app = FastAPI()
    launcher = AgentLauncher(create_agent=object, join_call=_never)
    runner = Runner(launcher, serve_options=ServeOptions(fast_api=app))
    assert app.state.launcher is launcher  # at once: the app may be served by other means
    assert runner.fast_api is app


def test_the_application_is_made_once() -> None:
    runner = Runner(AgentLauncher(create_agent=object, join_call=_never))
    assert runner.fast_api is runner.fast_api
    assert runner.fast_api.state.launcher is runner.launcher


def test_without_the_http_side_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("greenroom.serve")]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without_fastapi(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("greenroom.serve"):
            raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_fastapi)
    runner = Runner(AgentLauncher(create_agent=object, join_call=_never))
    with pytest.raises(ImportError, match=r"needs the package fastapi: pip install 'greenroom\[api\]'"):
        _ = runner.fast_api
    result = CliRunner().invoke(commands(runner), ["api", "--no-splash"])
    assert result.exit_code == 1
    assert result.output.strip() == "an agent's HTTP side needs the package fastapi: pip install 'greenroom[api]'"


def test_a_runner_and_its_command_line_need_no_http_framework() -> None:
    code = (
        "import sys\n"
        "sys.modules['fastapi'] = sys.modules['uvicorn'] = sys.modules['pydantic'] = None\n"
        "from greenroom import AgentLauncher, Runner\n"
        "async def join_call(agent, call_type, call_id): ...\n"
        "Runner(AgentLauncher(create_agent=object, join_call=join_call)).cli()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "runtime", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--pod-name" in done.stdout
