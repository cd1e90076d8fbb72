"""`python my_agent.py serve` as a process: its signals, its end, its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from greenroom_core.clock import SystemClock
from greenroom_local.children import ChildProcess, Command
from greenroom_local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

AGENT_FILE = Path(__file__).with_name("agent_file.py")
PATIENCE_SECONDS = 60.0


@dataclass
class Served:
    process: ChildProcess
    http: httpx.AsyncClient
    journal: Path
    port: int

    def noted(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    @property
    def log(self) -> str:
        return self.process.command.log_file.read_text()

    async def until(self, holds: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{self.noted()}\n{self.log}") from None

    async def ready(self) -> bool:
        try:
            return (await self.http.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def until_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.ready():
                assert self.process.running, self.log
                await asyncio.sleep(0.05)

    async def until_not_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.ready():
                await asyncio.sleep(0.01)

    async def start(self, call_id: str, **parameters: Any) -> str:
        answer = await self.http.post(f"/calls/{call_id}/sessions", json={"parameters": parameters})
        assert answer.status_code == 201, answer.text
        await self.until(lambda: f"joined {call_id}" in self.noted())
        return str(answer.json()["session_id"])

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def served(
    directory: Path, *flags: str, port: int | None = None, agent_file: Path = AGENT_FILE, **variables: str
) -> AsyncIterator[Served]:
    port = free_ports(1)[0] if port is None else port
    journal = directory / "journal"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "GREENROOM_TEST_JOURNAL": str(journal),
        **variables,
    }
    words = [sys.executable, str(agent_file), "serve", "--port", str(port), *flags]
    process = ChildProcess(Command("serve", words, environment, directory / "serve.log"), SystemClock())
    process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield Served(process, http, journal, port)
    finally:
        await process.kill()


async def test_sigterm_lets_sessions_finish_and_starts_no_others(tmp_path: Path) -> None:
    async with served(tmp_path, "--drain-timeout-seconds", "600") as server:
        await server.until_ready()
        over = tmp_path / "over"
        session_id = await server.start("room", until_there=str(over))
        server.process.terminate()
        await server.until_not_ready()
        await server.until(lambda: "told room 600 s" in server.noted())
        answer = await server.http.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"detail": "Server is not ready to accept requests"})
        assert (await server.http.get("/health")).status_code == 200
        answer = await server.http.post("/calls/other/sessions")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await server.http.get(f"/calls/room/sessions/{session_id}")).status_code == 200
        over.touch()
        assert await server.exit_code() == 0
        assert server.noted()[-2:] == ["finished room", "closed room"]


async def test_what_has_not_finished_by_the_drain_timeout_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path, "--drain-timeout-seconds", "0.5") as server:
        await server.until_ready()
        await server.start("room")
        server.process.terminate()
        assert await server.exit_code() == 0
        assert server.noted()[-1] == "closed room"
        assert "finished room" not in server.noted()


@pytest.mark.parametrize(
    "numbers", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]]
)
async def test_ctrl_c_and_a_second_signal_close_at_once(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    async with served(tmp_path) as server:
        await server.until_ready()
        await server.start("room")
        server.process.signal(numbers[0])
        if numbers[1:]:
            await server.until_not_ready()
            server.process.signal(numbers[1])
        assert await server.exit_code() == 0
        assert server.noted()[-1] == "closed room"
        assert "Traceback" not in server.log


async def test_an_idle_server_ends_at_once_on_sigterm(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.until_ready()
        server.process.terminate()
        assert await server.exit_code() == 0
        assert "Traceback" not in server.log


async def test_an_agent_that_will_not_leave_does_not_keep_the_process(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.until_ready()
        await server.start("room", deaf=True)
        server.process.signal(signal.SIGINT)
        assert await server.exit_code() == 0
        assert "the process ends without them" in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_the_warm_up_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    async with served(tmp_path, GREENROOM_TEST_WARM="hangs") as server:
        await server.until(lambda: "building" in server.noted())
        with pytest.raises(httpx.ConnectError):
            await server.http.get("/health")
        server.process.signal(number)
        assert await server.exit_code() == 0


async def test_a_warm_up_that_fails_ends_the_process_and_says_why(tmp_path: Path) -> None:
    async with served(tmp_path, GREENROOM_TEST_WARM="fails") as server:
        assert await server.exit_code() == 3
        assert "the start failed: RuntimeError: there is no model" in server.log
        assert "Traceback" not in server.log
    (tmp_path / "debug").mkdir()
    async with served(tmp_path / "debug", "--debug", GREENROOM_TEST_WARM="fails") as server:
        assert await server.exit_code() == 3
        assert "Traceback" in server.log, "where it is"


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    async with served(tmp_path) as first:
        await first.until_ready()
        (tmp_path / "second").mkdir()
        async with served(tmp_path / "second", "--no-splash", port=first.port) as second:
            assert await second.exit_code() == 1
            (line,) = second.log.splitlines()
            assert line.startswith(f"serve: cannot listen on 127.0.0.1:{first.port} (--host, --port): ")
            assert "in use" in line


async def test_probes_are_not_in_the_access_log_and_starts_are(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.until_ready()
        for path in ("/health", "/ready", "/metrics"):
            assert (await server.http.get(path)).status_code == 200
        await server.start("room")
        await server.until(lambda: '"POST /calls/room/sessions HTTP/1.1" 201' in server.log)
        assert not any(path in server.log for path in ("/health", "/ready", "/metrics"))


async def test_clients_on_kept_connections_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.until_ready()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: serve\r\n\r\n")
        await writer.drain()
        server.process.terminate()
        assert await server.exit_code() == 0
        writer.close()


# --- the page to speak on ---


@pytest.mark.parametrize(
    ("flags", "variables", "status"),
    [
        ((), {}, 200),
        (("--no-talk-page",), {}, 404),
        ((), {"GREENROOM_TALK_PAGE": "false"}, 404),
        (("--talk-page",), {"GREENROOM_TALK_PAGE": "false"}, 200),
    ],
)
async def test_the_page_is_there_unless_it_is_not_wanted(
    tmp_path: Path, flags: tuple[str, ...], variables: dict[str, str], status: int
) -> None:
    async with served(tmp_path, *flags, **variables) as server:
        await server.until_ready()
        assert (await server.http.get("/talk")).status_code == status


async def test_a_relay_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    async with served(tmp_path, GREENROOM_TURN_URL="relay.example") as server:
        assert await server.exit_code() == 1
        assert server.log == (
            "serve: GREENROOM_TURN_URL='relay.example' is not allowed: "
            "turn:, turns: or stun: addresses, between commas; empty: none\n"
        )
