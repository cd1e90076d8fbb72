"""What is measured, as a process of its own: a launcher of one of the two packages, with an agent that costs nothing.

    python -m tests.bench.server.subject SIDE serve PORT --journal FILE [--redis URL]
    python -m tests.bench.server.subject SIDE starts --count N [--redis URL] [--per-call]
    python -m tests.bench.server.subject SIDE idle --count N --seconds S

SIDE is `greenroom` or `vision_agents.core`: the one word that differs. The last two print a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import time
import uuid
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

STARTERS = 64
TICK_SECONDS = 0.005
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Subject:
    def __init__(self, side: str, options: argparse.Namespace) -> None:
        self.core: Any = import_module(side)
        new_metrics = import_module(f"{side}.observability").AgentMetrics
        shared, of_its_own = new_metrics(), options.mode == "idle"
        journal: Path | None = getattr(options, "journal", None)

        class Agent:
            """All that either launcher asks of an agent. Where it is the idle ones that count, each has its own
            figures, as any real agent has; elsewhere they would only take the same time on both sides."""

            llm = tts = stt = turn_detection = _multi_speaker_filter = None
            processors = ()
            agent_user = SimpleNamespace(id="agent")

            def __init__(self) -> None:
                self._id = str(uuid.uuid4())
                self.metrics = with_samples(new_metrics()) if of_its_own else shared

            @property
            def id(self) -> str:
                return self._id

            def idle_for(self) -> float:
                return 0.0

            def on_call_for(self) -> float:
                return 1.0

            async def close(self) -> None:
                return None

        async def create_agent() -> Any:
            return Agent()

        async def join_call(agent: Any, call_type: str, call_id: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                if journal is not None:
                    with journal.open("a") as lines:
                        lines.write(f"{agent.id} {time.monotonic()}\n")

        registry = None
        if getattr(options, "redis", None):
            registry = self.core.SessionRegistry(self.core.RedisSessionKVStore(url=options.redis))
        limits = {"max_sessions_per_call": 1} if getattr(options, "per_call", False) else {}
        self.launcher = self.core.AgentLauncher(create_agent, join_call, registry=registry, **limits)

    def serve(self, port: int) -> None:
        quiet = ["--agents-log-level", "WARNING", "--http-log-level", "WARNING", "--no-splash"]
        self.core.Runner(self.launcher).cli(["serve", "--port", str(port), *quiet])

    async def starts(self, count: int) -> dict[str, float]:
        """Starts a second, with so many callers at once that none waits for want of work."""
        await self.launcher.start()
        await self._start(STARTERS, "warm")
        begun, cpu = time.perf_counter(), time.process_time()
        await self._start(count, "call")
        seconds = time.perf_counter() - begun
        cpu_ms = (time.process_time() - cpu) / count * 1000
        return {"per_second": count / seconds, "cpu_ms": cpu_ms}

    async def idle(self, count: int, seconds: float) -> dict[str, float]:
        """What `count` sessions cost that do nothing, over at least one round of maintenance."""
        await self.launcher.start()
        await self._start(STARTERS, "warm")
        gc.collect()
        before = resident_bytes()
        await self._start(count, "call")
        cpu = time.process_time()
        await asyncio.sleep(seconds)
        cpu_percent = (time.process_time() - cpu) / seconds * 100
        gc.collect()
        kib = (resident_bytes() - before) / count / 1024
        return {"kib": kib, "cpu_percent": cpu_percent, "stall_ms": await longest_stall(seconds) * 1000}

    async def _start(self, count: int, prefix: str) -> None:
        numbers = iter(range(count))

        async def caller() -> None:
            for number in numbers:
                await self.launcher.start_session(f"{prefix}-{number}")

        await asyncio.gather(*(caller() for _ in range(STARTERS)))


def with_samples(metrics: Any) -> Any:
    """Figures as after a few turns."""
    for name in ("stt_latency_ms__avg", "tts_latency_ms__avg", "llm_latency_ms__avg", "turn_duration_ms__avg"):
        getattr(metrics, name).update(12.5)
    for name in ("llm_input_tokens__total", "llm_output_tokens__total", "tts_characters__total"):
        getattr(metrics, name).inc(7)
    return metrics


async def longest_stall(seconds: float) -> float:
    """The longest time for which nothing else could run."""
    worst, end = 0.0, time.monotonic() + seconds
    while (slept_at := time.monotonic()) < end:
        await asyncio.sleep(TICK_SECONDS)
        worst = max(worst, time.monotonic() - slept_at - TICK_SECONDS)
    return worst


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["greenroom", "vision_agents.core"])
    modes = parser.add_subparsers(dest="mode", required=True)
    serve = modes.add_parser("serve")
    serve.add_argument("port", type=int)
    serve.add_argument("--journal", type=Path, required=True)
    starts = modes.add_parser("starts")
    starts.add_argument("--per-call", action="store_true")
    idle = modes.add_parser("idle")
    idle.add_argument("--seconds", type=float, required=True)
    for mode in (serve, starts):
        mode.add_argument("--redis")
    for mode in (starts, idle):
        mode.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    subject = Subject(options.side, options)
    if options.mode == "serve":
        subject.serve(options.port)
        return
    work = subject.starts(options.count) if options.mode == "starts" else subject.idle(options.count, options.seconds)
    with asyncio.Runner() as runner:
        print(json.dumps(runner.run(work)), flush=True)
        os._exit(0)  # how either side stops is no part of this


if __name__ == "__main__":
    main()
