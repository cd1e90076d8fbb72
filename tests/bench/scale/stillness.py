"""What many live sessions cost while nothing happens: memory, CPU, and who writes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.cost import WRITES
from tests.stack.meters import Requests, ServerMeter, cpu_seconds, difference

if TYPE_CHECKING:
    from tests.bench.scale.field import Field

REST_SECONDS = 62.0
"""Longer than the operator's look at everything, which comes once a minute."""

_QUIET_SECONDS, _QUIET_WITHIN_SECONDS = 4.0, 150.0
_ASKED = 40
LEASES = "leases"


@dataclass(frozen=True, slots=True)
class Stillness:
    """`writes` by `verb resource` in `seconds`; CPU in percent of one core, memory in MB, by program; `asked` are the
    API's answers in milliseconds, the middle of 40 each."""

    seconds: float
    writes: dict[str, int]
    cpu_percent: dict[str, float]
    memory_mb: dict[str, float]
    asked_ms: dict[str, float]

    @property
    def others(self) -> int:
        """Writes other than the Lease's."""
        return sum(count for key, count in self.writes.items() if LEASES not in key)

    def plain(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "writes": self.writes,
            "cpu_percent_of_a_core": self.cpu_percent,
            "memory_mb": self.memory_mb,
            "api_answers_ms": self.asked_ms,
        }


async def measured(field: Field, seconds: float = REST_SECONDS) -> Stillness:
    """Waits for the end of what the last change brought (labels, the fleet's status), then looks on."""
    meter = ServerMeter(field.plane.admin)
    await _until_quiet(meter)
    processes = _processes(field)
    before, cpu = await meter.read(), {name: cpu_seconds(pid) for name, pid in processes.items()}
    begun = time.monotonic()
    await asyncio.sleep(seconds)
    passed = time.monotonic() - begun
    writes = written(before, await meter.read())
    used = {name: round(100 * (cpu_seconds(pid) - cpu[name]) / passed, 2) for name, pid in processes.items()}
    memory = {name: memory_mb(pid) for name, pid in processes.items()}
    return Stillness(round(passed, 1), writes, used, memory, await _asked(field))


def written(before: Requests, after: Requests) -> dict[str, int]:
    """Requests other than reads that were answered in between."""
    return {
        f"{verb} {resource}": count
        for (verb, resource, code), count in sorted(difference(before, after).items())
        if verb in WRITES and code.startswith("2")
    }


def memory_mb(process: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise AssertionError(f"process {process} is gone")


async def _until_quiet(meter: ServerMeter) -> None:
    async with asyncio.timeout(_QUIET_WITHIN_SECONDS):
        while True:
            before = await meter.read()
            await asyncio.sleep(_QUIET_SECONDS)
            if all(LEASES in key for key in written(before, await meter.read())):
                return


def _processes(field: Field) -> dict[str, int]:
    plane = field.plane
    return {
        "operator": field.operators[0].process.pid,
        "api": field.api.process.pid,
        "kube-apiserver": plane.api_server.pid,
        "etcd": plane.etcd.pid,
    }


async def _asked(field: Field) -> dict[str, float]:
    call = (await field.rest.ask("GET", "/sessions?limit=1")).body["sessions"][0]
    questions = {
        "first page of the list (100)": "/sessions",
        "page of those that run (100)": "/sessions?phase=Running",
        "one session": f"/calls/{call['call_id']}/sessions/{call['session_id']}",
    }
    found = {}
    for name, path in questions.items():
        answers = [await field.rest.ask("GET", path) for _ in range(_ASKED)]
        assert all(answer.status == 200 for answer in answers), answers[0]
        found[name] = round(1000 * median(answer.seconds for answer in answers), 2)
    return found
