"""`python my_agent.py serve` as a process: what it logs, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = str(Path(__file__).parents[3] / "tests/agents/talkative.py")
PATIENCE_SECONDS = 180.0


class Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self._port = port
        self._log = log

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()

    def until_logged(self, text: str) -> None:
        self.until(lambda: any(text in line for line in self.lines))

    def until(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.lines
            assert self.process.poll() is None, self.lines
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            self.ask("/ready")
        except OSError:
            return False
        return True


@contextmanager
def serving(directory: Path, *options: str, **environment: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = directory / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, AGENT, "serve", "--port", str(port), *options],
            stderr=errors,
            env={**os.environ, **environment},
        )
    server = Server(process, port, log)
    try:
        server.until(server.answers)
        yield server
    finally:
        process.kill()
        process.wait()


def test_each_line_is_an_object_and_those_of_a_session_have_its_ids(tmp_path: Path) -> None:
    secret = {"VENDOR_API_KEY": "hunter2-secret"}
    with serving(tmp_path, "--log-format", "json", GREENROOM_TEST_MODE="logs", **secret) as server:
        session = server.ask("/calls/c-1/sessions", "POST")["session_id"]
        server.until_logged("with [redacted]")
        assert server.end() == 0
        lines = [json.loads(line) for line in server.lines]
    of_session = [line for line in lines if line.get("session") == session]
    assert {line["call"] for line in of_session} == {"c-1"}
    messages = {line["message"] for line in of_session if line["logger"] == "my_app"}
    assert messages == {"in a task", "in a thread", "with [redacted]"}
    assert all(line in of_session for line in lines if session in line["message"]), lines
    requests = [line["message"] for line in lines if line["logger"] == "uvicorn.access"]
    assert len(requests) == 1  # the probes are not among them
    assert "POST /calls/c-1/sessions" in requests[0]
    assert "hunter2" not in "".join(server.lines)


def test_levels_are_those_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, "--agents-log-level", "warning", "--http-log-level", "DEBUG") as server:
        server.ask("/calls/c-1/sessions", "POST")
        assert server.end() == 0
    assert any("| DEBUG | 127.0.0.1:" in line and "/ready" in line for line in server.lines)
    assert any("| INFO | 127.0.0.1:" in line and "POST /calls/c-1/sessions" in line for line in server.lines)
    assert not any("session" in line and "started on call" in line for line in server.lines)


def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [sys.executable, AGENT, "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"serve: cannot listen on 127.0.0.1:{words[-1]} (--host, --port)")
    assert "Traceback" not in done.stderr
