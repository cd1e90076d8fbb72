"""The API as a process of its own, under exactly its Role, on a real API server; the operator is played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.stack.programs import Launchpad, Program, install_accounts

from greenroom_core.clock import SystemClock
from greenroom_core.kube.auth import Credentials
from greenroom_core.kube.client import KubeClient, Selection
from greenroom_core.kube.feed import Feed
from greenroom_core.kube.http import HttpTransport
from greenroom_core.kube.kinds import RUNTIMES, SESSIONS
from greenroom_core.model import names
from greenroom_core.model.phases import Phase
from greenroom_core.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from greenroom_core.model.session import AgentSession
    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60.0


@dataclass
class Bench:
    """One API process, a client of it, and what the operator would use."""

    api: Program
    http: aiohttp.ClientSession
    kube: KubeClient
    sessions: Feed[AgentSession]
    namespace: str

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.01)

    async def session_of(self, call_id: str) -> AgentSession:
        await self.until(lambda: any(session.spec.call_id == call_id for session in self.sessions.store))
        return next(session for session in self.sessions.store if session.spec.call_id == call_id)

    async def status(self, session: AgentSession, **fields: Any) -> None:
        patch = {"status": fields}
        await self.kube.merge_patch(SESSIONS, self.namespace, session.metadata.name, patch, subresource="status")

    async def bind(self, session: AgentSession) -> None:
        await self.status(session, phase=Phase.SCHEDULED, podName="pod", podUID="uid", attempt=1)

    async def run(self, session: AgentSession) -> None:
        await self.bind(session)
        await self.status(session, phase=Phase.RUNNING, startedAt="2030-01-01T00:00:00.123456Z")

    def post(self, call_id: str) -> asyncio.Task[tuple[int, Any]]:
        async def posted() -> tuple[int, Any]:
            async with self.http.post(f"/calls/{call_id}/sessions") as answer:
                return answer.status, await answer.json()

        return asyncio.create_task(posted())


@contextlib.asynccontextmanager
async def a_bench(
    plane: ControlPlane,
    namespace: str,
    directory: Path,
    program: Callable[[Launchpad], Awaitable[Program]] = lambda pad: pad.api(1),
) -> AsyncIterator[Bench]:
    tls = ssl.create_default_context(cafile=str(plane.ca_file))
    tls.load_cert_chain(plane.files.admin, plane.files.admin_key)
    async with HttpTransport(Credentials(plane.server_url, tls, lambda: None, namespace), user_agent="test") as wire:
        kube = KubeClient(World(SystemClock(), Random(1), wire))
        fleet = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentRuntime",
            "metadata": {"name": "default"},
            "spec": {"template": {}, "replicas": 0},
        }
        await kube.create(RUNTIMES, namespace, fleet)
        await install_accounts(plane, namespace)
        feed = Feed(kube, SESSIONS, Selection(namespace), lambda _: None)
        feeding = asyncio.create_task(feed.run())
        api = await program(Launchpad(plane, namespace, directory))
        try:
            api.process.start()
            await api.until_ready()
            async with aiohttp.ClientSession(api.url) as http:
                yield Bench(api, http, kube, feed, namespace)
        finally:
            if api.process.started:
                await api.process.stop(5.0)
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def test_a_whole_session_under_exactly_the_apis_role(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path) as bench:
        posting = bench.post("room")
        session = await bench.session_of("room")
        assert session.metadata.finalizers == (names.LEAVE_CALL,)
        await bench.run(session)
        status, body = await posting
        path = f"/calls/room/sessions/{session.metadata.name}"
        expected = {
            "session_id": session.metadata.name,
            "call_id": "room",
            "session_started_at": "2030-01-01T00:00:00.123456Z",
        }
        assert (status, body) == (201, expected)
        async with bench.http.get(path) as answer:
            assert await answer.json() == expected
        async with bench.http.get(f"{path}/metrics") as answer:
            assert len((await answer.json())["metrics"]) == 25
        async with bench.http.delete(path) as answer:
            assert (answer.status, await answer.text()) == (202, "")
        closing = await bench.kube.get(SESSIONS, namespace, session.metadata.name)
        assert closing.close_requested
        async with bench.http.get("/docs") as answer:
            assert answer.status == 200


async def test_a_client_that_hangs_up_takes_its_session_with_it(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path) as bench:
        _, writer = await asyncio.open_connection("127.0.0.1", bench.api.port)
        writer.write(b"POST /calls/room/sessions HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await bench.session_of("room")
        writer.close()
        await writer.wait_closed()
        await bench.until(lambda: all(session.deleting for session in bench.sessions.store))
        async with bench.http.get("/health") as answer:
            assert answer.status == 200


async def test_sigterm_answers_those_who_wait_lets_the_bound_one_start_and_ends_with_0(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    """Those who still wait for a slot when the time is almost over."""
    async with a_bench(control_plane, namespace, tmp_path, lambda pad: pad.api(1, "--shutdown-seconds", "12")) as bench:
        waiting, starting = bench.post("waits"), bench.post("starts")
        waits, starts = await bench.session_of("waits"), await bench.session_of("starts")
        await bench.bind(starts)
        await bench.until(lambda: (known := bench.sessions.store.get(starts.metadata.uid)) is not None and known.bound)
        bench.api.process.terminate()
        assert await waiting == (503, {"detail": "Server is not ready to accept requests"})
        await bench.until(lambda: (known := bench.sessions.store.get(waits.metadata.uid)) is None or known.deleting)
        assert not starting.done()
        await bench.status(starts, phase=Phase.RUNNING, startedAt="2030-01-01T00:00:00Z")
        assert (await starting)[0] == 201
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bench.api.process.wait() == 0


async def test_the_api_server_gone_and_back_again(
    control_plane: ControlPlane, installed_crds: None, namespace: str, tmp_path: Path
) -> None:
    async with a_bench(control_plane, namespace, tmp_path) as bench:
        posting = bench.post("room")
        session = await bench.session_of("room")
        await control_plane.api_server.kill()
        async with bench.http.get(f"/calls/room/sessions/{session.metadata.name}") as answer:
            assert answer.status == 200, "what is known is answered without the API server"
        async with bench.http.get("/health") as answer:
            assert answer.status == 200
        control_plane.api_server.start()
        await control_plane.wait_ready()
        await bench.run(session)
        assert (await posting)[0] == 201


async def test_what_cannot_start_says_so_in_one_sentence() -> None:
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GREENROOM_SERVICEACCOUNT_DIR": "/nonexistent"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags, words in (
            (["--port", str(port)], "in use"),
            (["--port", "70000"], "GREENROOM_PORT='70000' is not allowed"),
            (["--port", "0"], "no credentials"),
        ):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "greenroom_core.cli", "api", *flags, env=clean, stderr=asyncio.subprocess.PIPE
            )
            _, errors = await process.communicate()
            said = [line for line in errors.decode().splitlines() if "INFO" not in line]
            assert process.returncode == 1
            assert len(said) == 1, said
            assert said[0].startswith("greenroom api: ")
            assert words in said[0]
