"""Each example as a process, and that it does what it is there to show."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.examples.program import EXAMPLES, ROOT, Program
from tests.redis_server import RedisServer
from tests.seed import block

from greenroom_local.ports import free_ports

UV = Path(sys.executable).with_name("uv")
TESTED = {
    *("basic.py", "cors.py", "custom_app.py", "custom_routes.py", "launcher_only.py"),
    *("limits.py", "permissions.py", "scaling.py"),
}
ELSEWHERE = {"console_agent.py", "talk_agent.py", "voice_agent.py"}
"""They have tests of their own, as agents, in pods and in a browser."""


def test_none_is_forgotten() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == TESTED | ELSEWHERE
    told = (EXAMPLES / "README.md").read_text()
    assert all(f"]({name})" in told for name in TESTED | ELSEWHERE)


@contextlib.asynccontextmanager
async def served(file: str, **environment: str) -> AsyncIterator[httpx.AsyncClient]:
    """The example's server, ready; it ends cleanly on SIGINT."""
    (port,) = free_ports(1)
    async with Program(file, "serve", "--port", str(port), environment=environment) as program:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=90) as client:
            await until_listening(program, client)
            yield client
        assert await program.end() == 0, program.output
        assert "Traceback" not in program.output, program.output


async def until_listening(program: Program, client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(180):
        while True:
            assert program.running, program.output
            with contextlib.suppress(httpx.TransportError):
                await client.get("/ready")
                return
            await asyncio.sleep(0.05)


async def started(client: httpx.AsyncClient, call_id: str, **more: Any) -> str:
    answer = await client.post(f"/calls/{call_id}/sessions", **more)
    assert answer.status_code == 201, answer.text
    return f"/calls/{call_id}/sessions/{answer.json()['session_id']}"


async def closed(client: httpx.AsyncClient, *paths: str, **more: Any) -> None:
    """So that a server need not wait for calls that would go on."""
    for path in paths:
        assert (await client.delete(path, **more)).status_code == 202
    async with asyncio.timeout(60):
        for path in paths:
            while (await client.get(path, **more)).status_code != 404:
                await asyncio.sleep(0.05)


def test_basic_is_the_documents() -> None:
    """It runs as a test of the document's own; here it only has a docstring besides."""
    example, original = ast.parse((EXAMPLES / "basic.py").read_text()), ast.parse(block.source("basic_example"))
    assert ast.get_docstring(example)
    assert ast.dump(ast.Module(example.body[1:], [])) == ast.dump(original)


KEYS = ("STREAM_API_KEY", "STREAM_API_SECRET", "GOOGLE_API_KEY", "ELEVENLABS_API_KEY", "DEEPGRAM_API_KEY")


@pytest.mark.parametrize(("words", "status"), [(("run", "--no-demo"), 1), (("serve", "--port", "0"), 3)])
@pytest.mark.parametrize("missing", [0, 2, 4])
async def test_basic_names_the_key_that_is_missing(words: tuple[str, ...], status: int, missing: int) -> None:
    there = dict.fromkeys(KEYS[:missing], "some-key")
    async with Program("basic.py", *words, environment=there) as program:
        line = await program.line("MissingKeyError: .*")
        assert KEYS[missing] in line[0]
        assert await program.end(None) == status
        assert len([line for line in program.lines if "ERROR" in line and "MissingKey" in line]) == 1
        assert "Traceback" not in program.output, program.output


async def test_cors() -> None:
    async with served("cors.py") as client:
        answer = await client.get("/health", headers={"Origin": "https://myapp.com"})
        assert answer.headers["access-control-allow-origin"] == "https://myapp.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
        strange = await client.get("/health", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in strange.headers


async def test_permissions() -> None:
    async with served("permissions.py", TOKENS="alice-token=alice,bob-token=bob") as client:
        alice, bob = ({"headers": {"Authorization": f"Bearer {name}-token"}} for name in ("alice", "bob"))
        assert (await client.post("/calls/alice-1/sessions")).status_code == 401
        assert (await client.post("/calls/alice-1/sessions", **bob)).status_code == 403
        path = await started(client, "alice-1", **alice)
        assert (await client.get(f"{path}/metrics", **bob)).status_code == 403
        assert (await client.get(f"{path}/metrics", **alice)).status_code == 200
        await closed(client, path, **alice)


async def test_custom_routes() -> None:
    async with served("custom_routes.py") as client:
        assert (await client.get("/custom")).json() == {"message": "Custom endpoint"}
        path = await started(client, "one")
        assert (await client.get("/busy")).json() == {"calls": ["one"]}
        await closed(client, path)


async def test_custom_app() -> None:
    async with served("custom_app.py") as client:
        assert (await client.get("/custom")).json() == {"message": "Custom endpoint"}
        assert (await client.get("/health")).status_code == 404
        assert (await client.get("/agents/ready")).status_code == 200
        answer = await client.post("/agents/calls/my-call-123/sessions")
        assert answer.status_code == 201
        path = f"/agents/calls/my-call-123/sessions/{answer.json()['session_id']}"
        assert (await client.delete(path)).status_code == 202


async def test_limits() -> None:
    async with served("limits.py") as client:
        one = await started(client, "one")
        second_on_it = await client.post("/calls/one/sessions")
        assert (second_on_it.status_code, "for this call" in second_on_it.text) == (429, True)
        two = await started(client, "two")
        third = await client.post("/calls/three/sessions")
        assert (third.status_code, "concurrent" in third.text) == (429, True)
        assert int(third.headers["retry-after"]) > 0
        assert (await client.get("/ready")).status_code == 503, "a full node asks for no more"
        await closed(client, one, two)
        assert (await client.get("/ready")).status_code == 200


async def test_launcher_only() -> None:
    async with Program("launcher_only.py") as program:
        assert await program.end(None, seconds=60) == 0, program.output
        spoken = await program.line(r"Running: (\d+) characters spoken")
        assert int(spoken.group(1)) > 0
        await program.line("my-call-123: Closed, CloseRequested")
        await program.line("my-call-456: Closed, CloseRequested")


async def test_scaling(tmp_path: Path) -> None:
    async with (
        RedisServer(tmp_path) as redis,
        served("scaling.py", REDIS_URL=redis.url) as one,
        served("scaling.py", REDIS_URL=redis.url) as two,
    ):
        path = await started(one, "shared")
        seen = await two.get(path)
        assert (seen.status_code, seen.json()["call_id"]) == (200, "shared")
        assert (await two.post("/calls/shared/sessions")).status_code == 429, "the limit holds on all nodes"
        assert (await two.delete(path)).status_code == 202
        async with asyncio.timeout(60):
            while (await one.get(path)).status_code != 404:
                await asyncio.sleep(0.05)


async def test_with_uv() -> None:
    """`uv run` in an environment that has the package already; nothing is fetched and no lock file written."""
    before = (str(UV), "run", "--no-sync", "--offline")
    environment = {"VIRTUAL_ENV": sys.prefix, "UV_PROJECT_ENVIRONMENT": sys.prefix}
    async with Program("launcher_only.py", environment=environment, before=before) as program:
        assert await program.end(None, seconds=60) == 0, program.output
        await program.line("my-call-456: Closed, CloseRequested")
    assert not (ROOT / "uv.lock").exists()


async def test_uv_makes_the_environment(tmp_path: Path) -> None:
    """As users have it: a folder with an agent file and a project that depends on this one.

    It fetches packages; where there is no package index it is skipped, but never in CI.
    """
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    (tmp_path / "pyproject.toml").write_text(
        f"""
[project]
name = "mine"
version = "0"
requires-python = ">=3.11"
dependencies = ["greenroom[api]"]

[tool.uv]
constraint-dependencies = {json.dumps(pins)}

[tool.uv.sources]
greenroom = {{ path = {json.dumps(str(ROOT))} }}
"""
    )
    agent = tmp_path / "my_agent.py"
    agent.write_text((EXAMPLES / "voice_agent.py").read_text())
    before = (str(UV), "run", "--project", str(tmp_path), "--python", sys.executable)
    async with Program(agent, "serve", "--help", environment=index(), before=before) as program:
        status = await program.end(None, seconds=300)
        if status != 0 and "error sending request" in program.output and "CI" not in os.environ:
            pytest.skip("no package index in reach")
        assert status == 0, program.output
        await program.line("--agents-log-level")


def index() -> dict[str, str]:
    """Where packages come from is the machine's matter."""
    return {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_", "PIP_"))}
