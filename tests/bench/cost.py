"""What work cost: writes on AgentSession objects, as the server and as each program counts them, and CPU."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.stack.meters import Requests, ServerMeter, cpu_seconds, difference, samples

if TYPE_CHECKING:
    from tests.stack import Stack

WRITES = ("POST", "PATCH", "PUT", "DELETE", "APPLY")


@dataclass(frozen=True, slots=True)
class Reading:
    server: Requests
    programs: Requests
    """By (program, verb and kind, code)."""
    cpu: dict[str, float]


class CostMeter:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._server = ServerMeter(stack.plane.admin)

    async def read(self) -> Reading:
        stack = self._stack
        programs: Requests = Counter()
        for operator in stack.operators:
            for labels, value in samples(await operator.metrics(), "greenroom_operator_api_requests_total"):
                if labels["resource"] == "agentsessions":
                    programs[("operator", labels["verb"], labels["code"])] += int(value)
        for api in stack.apis:
            for labels, value in samples(await api.metrics(), "greenroom_api_kube_request_seconds_count"):
                if labels["resource"] == "agentsessions":
                    programs[("api", labels["verb"], labels["status"])] += int(value)
        cpu = {"operator": 0.0, "api": 0.0, "runtime": 0.0}
        async with aiohttp.ClientSession() as http:
            for pod in stack.open_pods():
                async with http.get(f"http://127.0.0.1:{stack.node.port(pod)}/metrics") as response:
                    page = await response.text()
                for labels, value in samples(page, "greenroom_runtime_api_request_seconds_count"):
                    programs[("runtime", labels["verb"], labels["status"])] += int(value)
                cpu["runtime"] += cpu_seconds(stack.node.pid(pod))
        cpu["operator"] = sum(cpu_seconds(program.process.pid) for program in stack.operators)
        cpu["api"] = sum(cpu_seconds(program.process.pid) for program in stack.apis)
        cpu["kube-apiserver"] = cpu_seconds(stack.plane.api_server.pid)
        cpu["etcd"] = cpu_seconds(stack.plane.etcd.pid)
        return Reading(await self._server.read(), programs, cpu)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of `sessions` sessions, between two readings."""

    sessions: int
    server: Requests
    programs: Requests
    cpu: dict[str, float]

    @classmethod
    def between(cls, sessions: int, before: Reading, after: Reading) -> Cost:
        cpu = {name: after.cpu[name] - before.cpu[name] for name in after.cpu}
        server = difference(before.server, after.server)
        return cls(sessions, server, difference(before.programs, after.programs), cpu)

    @property
    def writes(self) -> dict[str, float]:
        """Answered writes a session by `verb resource`, as the API server counts them."""
        found: Counter[str] = Counter()
        for (verb, resource, code), count in self.server.items():
            if verb in WRITES and resource.startswith("agentsessions") and code.startswith("2"):
                found[f"{verb} {resource}"] += count
        return {key: round(count / self.sessions, 3) for key, count in sorted(found.items())}

    @property
    def writers(self) -> dict[str, float]:
        """The same by program, as the programs count them."""
        found: Counter[str] = Counter()
        for (program, verb, code), count in self.programs.items():
            if verb in WRITES and code.startswith("2"):
                found[f"{program} {verb}"] += count
        return {key: round(count / self.sessions, 3) for key, count in sorted(found.items())}

    @property
    def refused(self) -> int:
        """Writes on sessions that were refused: 409, 422 and so on."""
        return sum(
            count
            for (verb, resource, code), count in self.server.items()
            if verb in WRITES and resource.startswith("agentsessions") and not code.startswith("2")
        )

    def plain(self) -> dict[str, Any]:
        return {
            "sessions": self.sessions,
            "writes_per_session": self.writes,
            "writes_per_session_total": round(sum(self.writes.values()), 3),
            "writes_per_session_by_writer": self.writers,
            "writes_refused": self.refused,
            "cpu_ms_per_session": {
                name: round(1000 * seconds / self.sessions, 2) for name, seconds in self.cpu.items()
            },
        }
