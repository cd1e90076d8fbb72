"""The processes of one side, and what is asked of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.server.wire import Wire, json_of, load

from greenroom_local.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 60.0
CLOSES, CLOSES_OVER_SECONDS = 24, 6.0
POSTS = {1: 600, 16: 960, 64: 1280}
READS, READERS = 1500, 16
STARTS, STARTS_ON_REDIS, STARTS_PER_CALL = 3000, 1500, 600
IDLE_SESSIONS, IDLE_SECONDS = 1000, 11.0

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Redis:
    """A server of the bench's own."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def empty(self) -> None:
        """What a process before has left would be found by the next one."""
        assert await _answers(self.port, b"FLUSHALL\r\n", b"+OK")


@dataclass(frozen=True, slots=True)
class Side:
    """`module` is what an agent file imports from; `python` has it."""

    name: str
    module: str
    python: Path

    async def starts(self, redis: Redis | None) -> Figures:
        found = {"starts/s, in memory": (await self.told("starts", "--count", str(STARTS)))["per_second"]}
        if redis is not None:
            on_redis = ("starts", "--redis", redis.url)
            await redis.empty()
            told = await self.told(*on_redis, "--count", str(STARTS_ON_REDIS))
            found["starts/s, on Redis"] = told["per_second"]
            await redis.empty()
            told = await self.told(*on_redis, "--count", str(STARTS_PER_CALL), "--per-call")
            found["starts/s, on Redis, one per call"] = told["per_second"]
        return found

    async def idle(self) -> Figures:
        told = await self.told("idle", "--count", str(IDLE_SESSIONS), "--seconds", str(IDLE_SECONDS))
        return {
            "memory of an idle session, KiB": told["kib"],
            f"CPU of {IDLE_SESSIONS:,} idle sessions, % of a core": told["cpu_percent"],
            f"longest stall of the loop with {IDLE_SESSIONS:,} sessions, ms": told["stall_ms"],
        }

    async def http(self) -> Figures:
        with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
            journal = Path(folder) / "left"
            async with self._serving(journal) as port:
                found = await closes(port, journal)
                found |= await reads(port)
            for clients, count in POSTS.items():
                # A new server each time: what one load has started is no burden to the next.
                async with self._serving(journal) as port:
                    found |= await posts(port, clients, count)
        return found

    def _command(self, *words: str) -> tuple[str, ...]:
        return (str(self.python), "-m", "tests.bench.server.subject", self.module, *words)

    async def told(self, *words: str) -> Any:
        """What the subject prints for these words. RuntimeError with its last words when it fails."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*words), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, errors = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{self.name}, {' '.join(words)}: {errors.decode()[-3000:]}")
        return json.loads(out.splitlines()[-1])

    @contextlib.asynccontextmanager
    async def _serving(self, journal: Path) -> AsyncIterator[int]:
        (port,) = free_ports(1)
        journal.touch()
        words = self._command("serve", str(port), "--journal", str(journal))
        async with running(words, port, b"GET /ready HTTP/1.1\r\nHost: bench\r\n\r\n", b"HTTP/1.1 200"):
            yield port


@contextlib.asynccontextmanager
async def running(words: Sequence[str], port: int, question: bytes, answer: bytes) -> AsyncIterator[None]:
    """A server as a process, from the moment at which it answers as it should; killed in the end."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await _answers(port, question, answer):
                    if process.returncode is not None:
                        log.seek(0)
                        raise RuntimeError(f"{' '.join(words)} ended: {log.read().decode()[-3000:]}")
                    await asyncio.sleep(0.05)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _answers(port: int, question: bytes, answer: bytes) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    with contextlib.closing(writer):
        writer.write(question)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            return await reader.readexactly(len(answer)) == answer
    return False


async def posts(port: int, clients: int, count: int) -> Figures:
    def request(number: int) -> tuple[str, str, bytes]:
        return "POST", f"/calls/post-{clients}-{number}/sessions", b'{"call_type": "default"}'

    seconds, _, total = await load(port, clients, count, request, 201)
    who = "1 client" if clients == 1 else f"{clients} clients"
    return {
        f"POST p50 at {who}, ms": statistics.median(seconds) * 1000,
        f"POST p99 at {who}, ms": percentile(seconds, 0.99) * 1000,
        f"POST/s at {who}": count / total,
    }


async def reads(port: int) -> Figures:
    _, bodies, _ = await load(port, 1, 1, lambda _: ("POST", "/calls/read/sessions", b"{}"), 201)
    path = f"/calls/read/sessions/{json_of(bodies[0])['session_id']}"
    _, _, seconds = await load(port, READERS, READS, lambda _: ("GET", path, b""), 200)
    _, _, with_metrics = await load(port, READERS, READS, lambda _: ("GET", f"{path}/metrics", b""), 200)
    return {"GET of a session/s": READS / seconds, "GET of its metrics/s": READS / with_metrics}


async def closes(port: int, journal: Path) -> Figures:
    """From the sending of a DELETE to the moment at which `join_call` is told; at moments of no pattern."""
    _, bodies, _ = await load(port, 1, CLOSES, lambda n: ("POST", f"/calls/close-{n}/sessions", b"{}"), 201)
    sessions = [json_of(body)["session_id"] for body in bodies]
    moments = random.Random(5)
    sent_at: dict[str, float] = {}

    async def close(number: int, session_id: str) -> None:
        await asyncio.sleep(moments.uniform(0, CLOSES_OVER_SECONDS))
        async with Wire(port) as wire:
            sent_at[session_id] = time.monotonic()
            status, body = await wire.ask("DELETE", f"/calls/close-{number}/sessions/{session_id}")
            assert status == 202, f"{status}: {body!r}"

    await asyncio.gather(*(close(number, session_id) for number, session_id in enumerate(sessions)))
    async with asyncio.timeout(READY_SECONDS):
        while len(left := dict(line.split() for line in journal.read_text().splitlines())) < CLOSES:
            await asyncio.sleep(0.05)
    seconds = [float(left[name]) - at for name, at in sent_at.items()]
    return {
        "DELETE to agent left, p50 ms": statistics.median(seconds) * 1000,
        "DELETE to agent left, p99 ms": percentile(seconds, 0.99) * 1000,
    }


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
