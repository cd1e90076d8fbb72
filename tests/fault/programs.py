"""Operator, API and runtime pods are killed, suspended and come back."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from tests.fault.case import Case, Lineup
from tests.fault.paused import paused
from tests.stack import FleetPlan

if TYPE_CHECKING:
    from tests.fault.scene import Scene

PAUSE_SECONDS = 3.0
"""Of an API or a pod: shorter than a caller's patience with one API, and than a liveness probe's."""
NOTICED_SECONDS = 5.0
"""In which an overtaken leader has noticed; what it sends until then names versions that are old, and is refused."""


async def leader_killed(scene: Scene) -> None:
    killed = await scene.leader()
    assert await killed.process.kill() == -signal.SIGKILL
    await scene.until_another_leads(killed)
    killed.process.start()


async def leader_suspended(scene: Scene) -> None:
    """For longer than the lease: another has taken over when it goes on."""
    suspended = await scene.leader()
    async with paused(suspended.process.pid):
        await scene.until_another_leads(suspended)
    async with asyncio.timeout(NOTICED_SECONDS):
        while await scene.leads(suspended):
            await asyncio.sleep(0.05)


async def api_killed(scene: Scene) -> None:
    killed = scene.chance.choice(scene.stack.apis)
    assert await killed.process.kill() == -signal.SIGKILL
    await scene.load.until_answered(3)
    killed.process.start()


async def api_suspended(scene: Scene) -> None:
    async with paused(scene.chance.choice(scene.stack.apis).process.pid):
        await asyncio.sleep(PAUSE_SECONDS)


async def pod_killed(scene: Scene) -> None:
    await scene.kill_pod(scene.a_pod_with_sessions())


async def pod_suspended(scene: Scene) -> None:
    async with paused(scene.stack.node.pid(scene.a_pod_with_sessions())):
        await asyncio.sleep(PAUSE_SECONDS)


LINEUPS = (
    Lineup(
        name="operators",
        cases=(
            Case("operator: kill -9 of the leader", "the standby takes over, the killed one comes back", leader_killed),
            Case("operator: the leader suspended", "SIGSTOP until another leads, then SIGCONT", leader_suspended),
        ),
    ),
    Lineup(
        name="apis-and-pods",
        # Without one pod there are fewer slots than sessions.
        fleets=(FleetPlan(pods=3, slots=4),),
        cases=(
            Case("API: kill -9 of a replica", "started anew once three callers have had an answer", api_killed),
            Case("API: a replica suspended", "SIGSTOP for 3 s, then SIGCONT", api_suspended),
            Case("pod: kill -9", "of the process of a pod that has sessions", pod_killed),
            Case("pod: suspended", "SIGSTOP of a pod that has sessions for 3 s, then SIGCONT", pod_suspended),
        ),
    ),
)
