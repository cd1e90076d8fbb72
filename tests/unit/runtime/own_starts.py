"""A fleet whose pods start sessions themselves, and what is asked of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.fakes.apiserver import Script
from tests.unit.whole.stage import Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from greenroom.launcher import AgentLauncher
    from greenroom_core.kube.transport import Request


@asynccontextmanager
async def fleet(pods: int = 1, *, operator: bool = True, **runtime: Any) -> AsyncIterator[Stage]:
    """A stage whose pods are ready. `operator` False takes the operator away again."""
    async with stage() as here:
        _, running = here.start_operator()
        await here.create_runtime(**{"replicas": pods, "sessionsPerPod": 4, **runtime})
        await here.when(lambda: sum(pod.ready for pod in here.pods.values()) == pods)
        await here.clock.sleep(3)  # so that the operator has seen it
        here.agents.created.clear()
        here.agents.agents.clear()
        if not operator:
            running.cancel()
        yield here
        here.check() if operator else None


def launchers(here: Stage) -> list[AgentLauncher]:
    return [here.launchers[name] for name in sorted(here.launchers)]


def objects(here: Stage) -> list[Any]:
    return here.server.objects("agentsessions")


def requests(here: Stage, verb: str, what: str) -> int:
    """How many were answered with success."""
    return sum(
        count
        for (_, asked, on, status), count in here.server.answered.items()
        if (asked, on) == (verb, what) and status < 300
    )


async def none_left(here: Stage, seconds: float = 40.0) -> None:
    await here.when(lambda: not objects(here), seconds)


def creates(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("agentsessions")


def asks(request: Request) -> bool:
    """Everything but watches, and the writes of sessions that run."""
    return request.method in ("POST", "GET", "DELETE") and "watch" not in request.query


def silence(here: Stage, launcher: AgentLauncher) -> None:
    """Nothing that this process still does reaches the API server."""
    script_of(here, launcher).add(times=10_000, never_sent=True)


def script_of(here: Stage, launcher: AgentLauncher) -> Script:
    """Faults between that launcher's pod and the API server."""
    [name] = [name for name, known in here.launchers.items() if known is launcher]
    script = Script(here.clock)
    next(item for item in here.transports if item.user == name).faults = script
    return script
