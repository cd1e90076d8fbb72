"""What plugins on vendors' services have in common: keys that stay hidden, packages, retries, limits, leases."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.virtual_time import VirtualClock, run_virtual

from greenroom.plugins import deepgram, elevenlabs, gemini
from greenroom.plugins.vendor import (
    Backoff,
    Key,
    Leases,
    MissingKeyError,
    VendorError,
    find_key,
    limited,
    repeated,
    require,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

SECRET = "sk-very-secret"

PARTS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (deepgram.STT, ("DEEPGRAM_API_KEY",), "deepgram.STT"),
    (elevenlabs.TTS, ("ELEVENLABS_API_KEY",), "elevenlabs.TTS"),
    (gemini.LLM, ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "gemini.LLM"),
]


@pytest.mark.parametrize(("part", "variables", "name"), PARTS)
class TestKeys:
    def test_a_missing_one_is_a_sentence_that_names_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, part: Callable[..., Any], variables: tuple[str, ...], name: str
    ) -> None:
        for variable in variables:
            monkeypatch.setenv(variable, "  ")
        with pytest.raises(MissingKeyError) as caught:
            part()
        assert str(caught.value) == (
            f"{name} has no API key: set the environment variable {' or '.join(variables)}, or pass api_key="
        )

    def test_it_comes_from_the_environment_and_is_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, part: Callable[..., Any], variables: tuple[str, ...], name: str
    ) -> None:
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(variables[-1], SECRET)
        made = part()
        assert SECRET not in repr(made) + repr(vars(made))

    def test_the_argument_goes_first(
        self, monkeypatch: pytest.MonkeyPatch, part: Callable[..., Any], variables: tuple[str, ...], name: str
    ) -> None:
        monkeypatch.setenv(variables[0], "other")
        assert SECRET not in repr(vars(part(api_key=SECRET)))
        assert find_key(name, SECRET, *variables).reveal() == SECRET


def test_a_key_hides() -> None:
    key = Key(SECRET)
    assert SECRET not in f"{key} {key!r} {[key]}"
    assert key.hidden_in(f"the key {SECRET} is wrong") == "the key [key] is wrong"
    assert {key: 1}[Key(SECRET)] == 1
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("plugin", "module"),
    [("deepgram", "deepgram"), ("elevenlabs", "elevenlabs"), ("gemini", "google.genai"), ("mcp", "mcp")],
)
def test_without_its_package_a_plugin_says_what_to_install(plugin: str, module: str) -> None:
    code = f"""
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} or name == {module.split(".")[0]!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
try:
    from greenroom.plugins import {plugin}
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    wanted = f"{module} greenroom.plugins.{plugin} needs the package of {module!r}: pip install 'greenroom[{plugin}]'"
    assert done.stdout.strip() == wanted


def test_a_package_that_is_there_is_enough() -> None:
    require("json", "any")


def test_sdks_are_imported_by_nothing_but_their_use() -> None:
    code = (
        "import sys, greenroom, greenroom.agent; from greenroom import Agent, AgentLauncher, Runner, User\n"
        "from greenroom.plugins import deepgram, elevenlabs, gemini, local, mcp, wav\n"
        "deepgram.STT(api_key='k'); elevenlabs.TTS(api_key='k'); gemini.LLM(api_key='k'); mcp.MCPServerLocal('tools')\n"
        "print([name for name in ('deepgram', 'elevenlabs', 'google.genai', 'httpx', 'mcp', 'numpy', 'websockets')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("part", "order"),
    [
        (deepgram.STT, "api_key model language eager_turn_detection eot_threshold eager_eot_threshold"),
        (elevenlabs.TTS, "api_key voice_id model_id"),
        (gemini.LLM, "model api_key"),
    ],
)
def test_what_may_be_given_without_a_name_has_the_order_that_agent_files_know(
    part: Callable[..., Any], order: str
) -> None:
    arguments = inspect.signature(part).parameters.values()
    assert [one.name for one in arguments if one.kind is one.POSITIONAL_OR_KEYWORD] == order.split()


def test_pauses_double_up_to_a_bound_and_differ() -> None:
    backoff = Backoff(first_seconds=0.2, longest_seconds=2.0)
    assert [backoff.pause_seconds(n, 1.0) for n in (1, 2, 3, 4, 5, 5000)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert backoff.pause_seconds(2, 0.0) == 0.2
    assert backoff.pause_seconds(1, 0.5, asked_seconds=1.2) == 1.2
    assert backoff.pause_seconds(5, 1.0, asked_seconds=1.2) == 2.0


class Service:
    """Plays one list of steps an attempt: items are given, errors raised."""

    def __init__(self, *attempts: list[Any]) -> None:
        self.attempts = list(attempts)
        self.closed = 0

    async def attempt(self) -> AsyncGenerator[Any, None]:
        try:
            for step in self.attempts.pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await VirtualClock().sleep(step)
                else:
                    yield step
        finally:
            self.closed += 1


def taken(service: Service, backoff: Backoff | None = None) -> tuple[list[Any], VendorError | None, int]:
    """What came, how it ended, how many failures were told."""
    got: list[Any] = []
    failures: list[VendorError] = []

    async def scene() -> VendorError | None:
        try:
            async for item in repeated(service.attempt, backoff or Backoff(), VirtualClock(), failures.append):
                got.append(item)  # noqa: PERF401 - what came before an error counts
        except VendorError as error:
            return error
        return None

    return got, run_virtual(scene()), len(failures)


BUSY = VendorError("busy", retryable=True)
LATER = VendorError("in a second", retryable=True, retry_after_seconds=1.0)
MUCH_LATER = VendorError("in a minute", retryable=True, retry_after_seconds=60.0)
REFUSED = VendorError("refused")


@pytest.mark.parametrize(
    ("attempts", "wanted"),
    [
        ([[1, 2]], ([1, 2], None, 0)),
        ([[]], ([], None, 0)),
        ([[BUSY], [BUSY], [1]], ([1], None, 2)),
        ([[BUSY], [BUSY], [BUSY], [1]], ([], BUSY, 2)),
        ([[LATER], [1]], ([1], None, 1)),
        ([[MUCH_LATER], [1]], ([], MUCH_LATER, 0)),
        ([[REFUSED], [1]], ([], REFUSED, 0)),
        ([[1, BUSY], [1, 2]], ([1], BUSY, 0)),
    ],
)
def test_only_what_has_not_begun_is_repeated(attempts: list[list[Any]], wanted: Any) -> None:
    service = Service(*attempts)
    assert taken(service) == wanted
    assert service.closed == len(attempts) - len(service.attempts)


@pytest.mark.parametrize(
    ("steps", "got", "message"),
    [
        ([0.9, 1, 0.4, 2], [1, 2], None),
        ([1.1, 1], [], "V sent nothing for 1 s"),
        ([1, 0.6, 2], [1], "V sent nothing for 0.5 s"),
    ],
)
def test_silence_is_bounded(steps: list[Any], got: list[int], message: str | None) -> None:
    service, came = Service(steps), []

    async def scene() -> str | None:
        try:
            async for item in limited(service.attempt(), "V", 1.0, 0.5, VirtualClock()):
                came.append(item)
                await VirtualClock().sleep(3)  # the consumer's own time is its own
        except VendorError as error:
            return str(error) if error.retryable else "must be retryable"
        return None

    assert run_virtual(scene()) == message
    assert came == got
    assert service.closed == 1


@pytest.mark.parametrize(
    ("status", "retryable", "begins"),
    [
        (401, False, "V refused the API key (HTTP 401): why; look here"),
        (403, False, "V refused the API key (HTTP 403)"),
        (400, False, "V refused (HTTP 400): why"),
        (408, True, "V failed (HTTP 408)"),
        (429, True, "V is at its limit (HTTP 429)"),
        (500, True, "V failed (HTTP 500)"),
    ],
)
def test_a_status_says_whether_waiting_helps(status: int, retryable: bool, begins: str) -> None:
    error = VendorError.of_status("V", status, " why\n", "look here")
    assert str(error).startswith(begins)
    assert error.retryable is retryable
    assert len(str(VendorError.of_status("V", status, "x" * 9999, ""))) < 400


class Clients:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.open: list[str] = []
        self.opened = 0

    async def connect(self, key: str) -> str:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise OSError("not now")
        self.opened += 1
        self.open.append(key)
        return key

    async def close(self, client: str) -> None:
        self.open.remove(client)


async def test_a_client_is_open_from_the_first_user_to_the_last() -> None:
    clients = Clients()
    leases: Leases[str, str] = Leases(clients.connect, clients.close)
    await asyncio.gather(leases.take("a"), leases.take("a"), leases.take("b"))
    assert sorted(clients.open) == ["a", "b"]
    await leases.give_back("a")
    assert clients.opened == 2
    await leases.give_back("a")
    assert clients.open == ["b"]
    await leases.take("a")
    await leases.give_back("a")
    await leases.give_back("b")
    assert (clients.open, leases.count, clients.opened) == ([], 0, 3)


async def test_a_client_that_could_not_be_opened_is_tried_by_the_next() -> None:
    clients = Clients(failures=1)
    leases: Leases[str, str] = Leases(clients.connect, clients.close)
    results = await asyncio.gather(leases.take("a"), leases.take("a"), return_exceptions=True)
    assert isinstance(results[0], OSError)
    assert results[1] == "a"
    await leases.give_back("a")
    assert (clients.open, leases.count) == ([], 0)
