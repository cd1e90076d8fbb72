"""Operator, API and runtime pods are killed, suspended and come back."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from tests.fault.case import Case, Lineup

if TYPE_CHECKING:
    from tests.fault.scene import Scene

PAUSE_SECONDS = 3.0
"""Of an API or a pod: shorter than a caller's patience with one API, and than a liveness probe's."""


async def leader_killed(scene: Scene) -> None:
    killed = await scene.leader()
    assert await killed.process.kill() == -signal.SIGKILL
    await scene.until_another_leads(killed)
    killed.process.start()


async def leader_suspended(scene: Scene) -> None:
    """For longer than the lease: another has taken over when it goes on."""
    suspended = await scene.leader()
    suspended.process.suspend()
    try:
        await scene.until_another_leads(suspended)
    finally:
        suspended.process.resume()
    await suspended.until_ready()
    assert not await scene.leads(suspended), "two operators say that they lead"


async def api_killed(scene: Scene) -> None:
    killed = scene.chance.choice(scene.stack.apis)
    assert await killed.process.kill() == -signal.SIGKILL
    await scene.load.until_answered(3)
    killed.process.start()


async def api_suspended(scene: Scene) -> None:
    suspended = scene.chance.choice(scene.stack.apis)
    suspended.process.suspend()
    try:
        await asyncio.sleep(PAUSE_SECONDS)
    finally:
        suspended.process.resume()


async def pod_killed(scene: Scene) -> None:
    await scene.kill_pod(scene.busiest_pod())


async def pod_suspended(scene: Scene) -> None:
    process = scene.stack.node.pid(scene.busiest_pod())
    os.killpg(process, signal.SIGSTOP)
    try:
        await asyncio.sleep(PAUSE_SECONDS)
    finally:
        os.killpg(process, signal.SIGCONT)


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
        cases=(
            Case("API: kill -9 of a replica", "started anew once three callers have had an answer", api_killed),
            Case("API: a replica suspended", "SIGSTOP for 3 s, then SIGCONT", api_suspended),
            Case("pod: kill -9", "of the process in the fullest pod", pod_killed),
            Case("pod: suspended", "SIGSTOP of the fullest pod for 3 s, then SIGCONT", pod_suspended),
        ),
    ),
)
