"""An agent file for sessions in processes of their own: what it does to its process, its parameters say.

Where GREENROOM_TEST_LOADS names a file, each load of its model adds a line with the process that loaded.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random  # loaded with the file, as a model would load it

from greenroom.warmup import Warmable

POOL = ThreadPoolExecutor(2)
"""Used by the warm-up and by calls, as engines do."""


class Figures:
    def __init__(self) -> None:
        self.turns = 0

    def to_dict(self) -> dict[str, Any]:
        return {"llm_output_tokens__total": 7 * self.turns, "llm_latency_ms__avg": 12.5, "stt_latency_ms__avg": None}


class Model(Warmable[bytes]):
    """A resource that is slow to load and shared."""

    def __init__(self) -> None:
        self.weights = b""

    async def on_warmup(self) -> bytes:
        if path := os.environ.get("GREENROOM_TEST_LOADS"):
            _append(path, str(os.getpid()))
        await asyncio.get_running_loop().run_in_executor(POOL, time.sleep, 0.01)
        return b"weights" * 100

    async def on_warmed_up(self, resource: bytes) -> None:
        await asyncio.sleep(0.001)  # so that two at once meet
        self.weights = resource


class StubAgent:
    """Tells what its process did in the file `journal`, if it has one."""

    def __init__(self, journal: str) -> None:
        self.id = "nameless"
        self.llm, self.tts = Model(), Model()
        self.metrics = Figures()
        self.joined_at = 0.0
        self._journal = journal

    def adopt_id(self, session_id: str) -> None:
        self.id = session_id

    def note(self, text: str) -> None:
        if self._journal:
            _append(self._journal, text)

    def host_leaves(self, seconds_left: float | None, moves: bool) -> None:
        self.note(f"host leaves in {seconds_left:.0f} s, moves: {moves}")

    def idle_for(self) -> float:
        return 0.0

    def on_call_for(self) -> float:
        return time.monotonic() - self.joined_at if self.joined_at else 0.0

    async def close(self) -> None:
        self.note(f"closed in {os.getpid()}")
        self.joined_at = 0.0


async def create_agent(journal: str = "", build: str = "") -> StubAgent:
    await _do(build)
    return StubAgent(journal)


async def join_call(agent: StubAgent, call_type: str, call_id: str, do: str = "stay", **more: Any) -> None:
    agent.joined_at = time.monotonic()
    agent.metrics.turns = 3
    agent.note(f"{call_type}/{call_id} in {os.getpid()}: {do} {sorted(more.items())}")
    await asyncio.sleep(0.02)
    if do == "talk":
        while True:
            agent.metrics.turns += 1
            await asyncio.sleep(0.02)
    await _do(do)


class Peculiar(Exception):
    """Known to this module alone."""


async def _do(what: str) -> None:
    match what:
        case "":
            pass
        case "stay":
            await asyncio.Event().wait()
        case "finish":
            await asyncio.sleep(0.05)
        case "linger":
            await asyncio.sleep(1.5)
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(4)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(1000)  # noqa: ASYNC251
        case "stubborn":
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        case "spin on leaving":
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            while True:
                pass
        case "hang":
            await asyncio.Event().wait()
        case "bytearray":
            _hoard()
        case "bytearray in a task":
            async with asyncio.TaskGroup() as group:
                group.create_task(_hoard_later())
        case "numpy":
            parts = []
            while True:
                parts.append(np.ones(1_000_000))
        case "raise":
            raise Peculiar("the line is bad")
        case "tell the secret":
            raise ValueError(f"no entry with {os.environ['GREENROOM_TEST_API_KEY']}")
        case "use the pool":
            await asyncio.get_running_loop().run_in_executor(POOL, time.sleep, 0.01)
        case "random":
            raise Peculiar(f"{random.random()} {np.random.random()}")
        case "stdin":
            raise Peculiar(repr(sys.stdin.read()))
        case "log":
            logging.getLogger("mine").warning("a line of the agent's own")
        case "start a program":
            program = await asyncio.create_subprocess_exec("sleep", "1000")
            raise Peculiar(str(program.pid))
        case "open files":
            raise Peculiar(",".join(sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in _open())))
        case _:
            raise ValueError(f"unknown deed {what!r}")


def _append(path: str, line: str) -> None:
    with open(path, "a") as file:
        file.write(f"{line}\n")


def _open() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{fd}").exists()]


async def _hoard_later() -> None:
    await asyncio.sleep(0)
    _hoard()


def _hoard() -> None:
    parts = []
    while True:
        parts.append(bytearray(4 << 20))
