"""The document's basic example as a program: in console mode, and as a server that its curl lines are sent to.

The vendors are fakes with their real SDKs in between; the caller speaks and hears through real Opus.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.examples.program import ROOT, Program
from tests.fakes.stream.scene import tone
from tests.seed.vendors import Vendors

from greenroom_local.ports import free_ports

AGENT = Path(__file__).with_name("blocks") / "basic_example.py"
QUESTION = "What is the weather in Boston?"

POST = """\
curl -X POST http://127.0.0.1:8000/calls/my-call-123/sessions \\
  -H "Content-Type: application/json" \\
  -d '{"call_type": "default"}'
"""
METRICS = "curl http://127.0.0.1:8000/calls/my-call-123/sessions/abc-123/metrics"
METRICS_SHOWN = {
    "llm_latency_ms__avg",
    "llm_time_to_first_token_ms__avg",
    "llm_input_tokens__total",
    "llm_output_tokens__total",
    "stt_latency_ms__avg",
    "tts_latency_ms__avg",
}


def program(vendors: Vendors, *words: str) -> Program:
    before = (sys.executable, "-m", "tests.seed.at_the_fakes")
    return Program(AGENT, *words, environment={**vendors.environment, "PYTHONPATH": str(ROOT)}, before=before)


async def test_console_mode() -> None:
    """`uv run <your_agent.py> run`"""
    async with Vendors(QUESTION) as vendors:
        room = vendors.stream.room("default:my-call-123")
        caller = await room.enter("ann")
        async with program(vendors, "run", "--call-id", "my-call-123", "--no-demo") as agent:
            await conversation(vendors, room, caller)
            await room.end()
            assert await agent.end(None) == 0, agent.output
        assert "Traceback" not in agent.output, agent.output


@asynccontextmanager
async def serving(vendors: Vendors, *words: str) -> AsyncIterator[tuple[Program, int]]:
    (port,) = free_ports(1)
    async with program(vendors, "serve", "--port", str(port), *words) as server:
        await until_answered(port, "/ready", server)
        yield server, port
        assert await server.end() == 0, server.output
    assert "Traceback" not in server.output, server.output


async def test_serve_and_the_curl_lines() -> None:
    async with Vendors(QUESTION) as vendors, serving(vendors) as (_, port):
        room = vendors.stream.room("default:my-call-123")
        caller = await room.enter("ann")
        started = json.loads(await shell(POST.replace("8000", str(port))))
        assert list(started) == ["session_id", "call_id", "session_started_at"]
        assert started["call_id"] == "my-call-123"
        assert datetime.fromisoformat(started["session_started_at"]).tzinfo is not None
        seat = await conversation(vendors, room, caller)
        ask = METRICS.replace("8000", str(port)).replace("abc-123", started["session_id"])
        told = json.loads(await shell(ask))
        assert list(told) == [*started, "metrics_generated_at", "metrics"]
        assert {name: told[name] for name in started} == started, "the same start, whoever asks"
        assert set(told["metrics"]) >= METRICS_SHOWN
        assert len(told["metrics"]) == 25
        assert told["metrics"]["llm_tool_calls__total"] == 1
        assert told["metrics"]["tts_latency_ms__avg"] > 0
        session = f"http://127.0.0.1:{port}/calls/my-call-123/sessions/{started['session_id']}"
        assert await shell(f"curl -X DELETE -w %{{http_code}} {session}") == "202"
        async with asyncio.timeout(180):
            await seat.left.wait()


async def test_serve_with_all_options() -> None:
    """`uv run agent.py serve --host 0.0.0.0 --port 8000 --agents-log-level DEBUG`, on a port that is free."""
    async with Vendors() as vendors:
        options = ("--host", "0.0.0.0", "--agents-log-level", "DEBUG", "--http-log-level", "WARNING")
        async with serving(vendors, *options) as (server, port):
            assert await shell(f"curl -w %{{http_code}} http://127.0.0.1:{port}/health") == "200"
            assert "swagger-ui" in await shell(f"curl http://127.0.0.1:{port}/docs")
            bad = await shell(f"curl -X POST -w %{{http_code}} http://127.0.0.1:{port}/calls/My%20Call/sessions")
            assert re.fullmatch(r'\{"detail":.*\}400', bad), "a call id in capitals"
            assert not re.search("uvicorn|GET /health", server.output), "the HTTP server keeps to warnings"


async def conversation(vendors: Vendors, room: Any, caller: Any) -> Any:
    """Greeted aloud, asked aloud, answered aloud with what the function gave. Returns the agent's seat."""
    async with asyncio.timeout(180):
        seat = await room.agent()
        await seat.negotiated()
        await seat.ear.until(lambda ear: ear.sound_seconds > 0.3)
        greeting = vendors.gemini.asked[0]["contents"][-1]["parts"][0]["text"]
        assert "Hello! How can I help you today?" in greeting
        await heard_out(seat)
        heard = seat.ear.sound_seconds
        await caller.speak(tone(1.0))
        await seat.ear.until(lambda ear: ear.sound_seconds > heard + 0.5)
        spoken = " ".join(asked["text"] for asked in vendors.elevenlabs.asked)
        assert "sunny and 72" in spoken
        await heard_out(seat)
    return seat


async def heard_out(seat: Any) -> None:
    """Until the agent has been silent for a while."""
    loop = asyncio.get_running_loop()
    while loop.time() - seat.ear.last_sound_at < 0.6:
        await asyncio.sleep(0.05)


async def until_answered(port: int, path: str, server: Program) -> None:
    async with asyncio.timeout(180):
        while await shell(f"curl -o /dev/null -w %{{http_code}} http://127.0.0.1:{port}{path}", check=False) != "200":
            assert server.running, server.output
            await asyncio.sleep(0.1)


async def shell(line: str, *, check: bool = True) -> str:
    """The output of a curl line."""
    words = shlex.split(line.replace("\\\n", ""))
    assert shutil.which(words[0]), "these lines are curl's: install it"
    process = await asyncio.create_subprocess_exec(
        words[0], "--silent", *words[1:], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert not check or process.returncode == 0, errors.decode()
    return out.decode()
