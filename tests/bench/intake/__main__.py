"""`python -m tests.bench.intake`: what it costs to take in sessions through kopf's handlers and through our own feed.

One consumer at a time watches while a burst of AgentSessions is created on a real API server; its own CPU time from
/proc, and the writes that it made, are divided by the number of sessions. Same burst, same run, ratios to the feed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crds import install

from greenroom_core.kube.client import Selection
from greenroom_core.kube.kinds import SESSIONS
from greenroom_core.model import names
from greenroom_core.model.crds import session_crd
from greenroom_local.binaries import find_binaries
from greenroom_local.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom_core.kube.client import KubeClient

CONSUMERS = {
    "own feed": "feed",
    "kopf on.event, no storages": "event",
    "kopf on.create, its own storages": "create",
}
_WORKERS_LIMIT = 32
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


@asynccontextmanager
async def consumer(kind: str, kubeconfig: Path, namespace: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.intake.consumer",
        kind,
        namespace,
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process, word: str) -> None:
    """Waits for a line of the consumer's."""
    assert process.stdout is not None
    async with asyncio.timeout(180):
        while (line := await process.stdout.readline()).decode().strip() != word:
            if not line:
                raise RuntimeError(f"the consumer ended before it said {word!r}")


async def burst(client: KubeClient, namespace: str, count: int) -> None:
    places = asyncio.Semaphore(_WORKERS_LIMIT)

    async def create(number: int) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "AgentSession",
            "metadata": {"name": f"s{number}"},
            "spec": {"callId": f"call-{number}", "parameters": {"text": "x" * 600}},
        }
        async with places:
            await client.create(SESSIONS, namespace, body)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(create(number))


async def writes_on(client: KubeClient, namespace: str) -> int:
    """How many sessions the consumer has written on: kopf's state handlers leave a copy of the configuration."""
    page = await client.list(SESSIONS, Selection(namespace))
    return sum("kopf.zalando.org/last-handled-configuration" in item.metadata.annotations for item in page.items)


async def measure(plane: ControlPlane, kind: str, namespace: str, count: int) -> tuple[float, float]:
    """(CPU milliseconds, sessions written on) per session."""
    await plane.ensure_namespace(namespace)
    async with plane.client() as client, consumer(kind, plane.kubeconfig, namespace) as process:
        await told(process, "ready")
        before = cpu_seconds(process.pid)
        async with asyncio.TaskGroup() as group:
            group.create_task(burst(client, namespace, count))
            group.create_task(told(process, str(count)))
        spent = cpu_seconds(process.pid) - before
        return spent * 1000 / count, await writes_on(client, namespace) / count


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    count = parser.parse_args().sessions
    print(f"{count} sessions of about 1 kB, created in one burst\n")
    print("| taken in by | CPU ms a session | ratio | writes a session |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        async with ControlPlane(find_binaries(), Path(folder), unsafe_no_fsync=True) as plane:
            await install(plane.admin, session_crd())
            floor = 0.0
            for number, (label, kind) in enumerate(CONSUMERS.items()):
                spent, written = await measure(plane, kind, f"intake-{number}", count)
                floor = floor or spent
                print(f"| {label} | {spent:.3f} | {spent / floor:.0f} | {written:.0f} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
