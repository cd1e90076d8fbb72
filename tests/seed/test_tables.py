"""The document's tables: options, defaults, endpoints."""

from __future__ import annotations

import inspect
from typing import Any

import click
import httpx
import pytest
from tests.seed.serving import served_by
from tests.seed.stub import Stub

from greenroom import AgentLauncher, Runner, ServeOptions
from greenroom.commands import commands


def runner(**options: Any) -> Runner:
    return Runner(AgentLauncher(**Stub().given), ServeOptions(**options))


def defaults_of(function: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


# --- CLI Options ---

SERVE_OPTIONS = {"--host": "127.0.0.1", "--port": 8000, "--agents-log-level": "INFO", "--http-log-level": "INFO"}


@pytest.mark.parametrize(("option", "default"), SERVE_OPTIONS.items())
def test_cli_option(option: str, default: Any) -> None:
    serve = commands(runner()).commands["serve"]
    found = next(parameter for parameter in serve.params if option in parameter.opts)
    assert found.default == default
    assert isinstance(found, click.Option)
    assert found.help, "described, as in the table"


# --- API Endpoints ---


async def test_endpoints() -> None:
    async with served_by(runner()) as client:
        started = await client.post("/calls/my-call-123/sessions", json={"call_type": "default"})
        assert started.status_code == 201
        path = f"/calls/my-call-123/sessions/{started.json()['session_id']}"
        assert (await client.get(path)).status_code == 200
        assert (await client.get(f"{path}/metrics")).status_code == 200
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        closed = await client.post(f"{path}/close")
        assert (closed.status_code, closed.content) == (202, b"")
        second = await client.post("/calls/my-call-123/sessions", json={})
        closed = await client.delete(f"/calls/my-call-123/sessions/{second.json()['session_id']}")
        assert (closed.status_code, closed.content) == (202, b"")
        docs = await client.get("/docs")
        assert (docs.status_code, "swagger-ui" in docs.text) == (200, True)


@pytest.mark.parametrize("call_id", ["My-Call", "with space", "dots.too", "*", "ä"])
async def test_a_call_id_that_is_none(call_id: str) -> None:
    """`^[a-z0-9_-]+$`, else 400."""
    async with served_by(runner()) as client:
        path = f"/calls/{httpx.URL(path='/' + call_id).raw_path.decode()[1:]}/sessions"
        assert (await client.post(path, json={})).status_code == 400


# --- CORS Options, Authentication & Permissions ---


def test_cors_defaults() -> None:
    options = ServeOptions()
    assert list(options.cors_allow_origins) == ["*"]
    assert list(options.cors_allow_methods) == ["*"]
    assert list(options.cors_allow_headers) == ["*"]
    assert options.cors_allow_credentials is True


async def test_everything_is_allowed_by_default() -> None:
    async with served_by(runner()) as client:
        started = await client.post("/calls/one/sessions", json={}, headers={"Origin": "https://anywhere.example"})
        assert started.status_code == 201
        assert started.headers["access-control-allow-origin"] == "*"
        path = f"/calls/one/sessions/{started.json()['session_id']}"
        assert (await client.get(path)).status_code == 200
        assert (await client.get(f"{path}/metrics")).status_code == 200
        assert (await client.delete(path)).status_code == 202


@pytest.mark.parametrize(
    ("check", "method", "path", "allowed"),
    [
        ("can_start_session", "POST", "", 201),
        ("can_close_session", "DELETE", "/{id}", 202),
        ("can_close_session", "POST", "/{id}/close", 202),
        ("can_view_session", "GET", "/{id}", 200),
        ("can_view_metrics", "GET", "/{id}/metrics", 200),
    ],
)
async def test_each_check_guards_its_endpoint(check: str, method: str, path: str, allowed: int) -> None:
    seen: list[str] = []
    answer = True

    async def asked(call_id: str) -> bool:
        seen.append(call_id)
        return answer

    async with served_by(runner(**{check: asked})) as client:
        started = await client.post("/calls/one/sessions", json={})
        url = "/calls/one/sessions" + path.format(id=started.json()["session_id"])
        answer = False
        assert (await client.request(method, url)).status_code == 403, "False denies"
        answer = True
        assert (await client.request(method, url)).status_code == allowed
        assert set(seen) == {"one"}


# --- Session Limits & Resource Management, AgentLauncher Methods ---

LIMITS = {
    "max_concurrent_sessions": None,
    "max_sessions_per_call": None,
    "max_session_duration_seconds": None,
    "agent_idle_timeout": 60.0,
    "maintenance_interval": 5.0,
}


@pytest.mark.parametrize(("name", "default"), LIMITS.items())
def test_limit(name: str, default: float | None) -> None:
    assert defaults_of(AgentLauncher)[name] == default


METHODS = {
    "start": [],
    "stop": [],
    "start_session": ["call_id", "call_type"],
    "close_session": ["session_id"],
    "get_session": ["session_id"],
    "get_session_info": ["call_id", "session_id"],
    "request_close_session": ["call_id", "session_id"],
}


@pytest.mark.parametrize(("name", "arguments"), METHODS.items())
def test_method(name: str, arguments: list[str]) -> None:
    """The arguments of the table are its first, by position or by name, and it needs no others."""
    method = getattr(AgentLauncher, name)
    assert inspect.iscoroutinefunction(method) == (name != "get_session")
    parameters = list(inspect.signature(method).parameters.values())[1:]
    assert [parameter.name for parameter in parameters][: len(arguments)] == arguments
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters[len(arguments) :])
