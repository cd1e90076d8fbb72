"""Where a case works: the stack, its load, and the handles by which it is hurt."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import aiohttp
from tests.fault.evidence import Evidence, Killed
from tests.invariants import events
from tests.stack.meters import samples

if TYPE_CHECKING:
    from tests.fault.load import Load
    from tests.stack import FleetPlan, Program, Stack

_LEADER_SECONDS = 30.0
_GONE_SECONDS = 10.0
_PODS_SECONDS = 60.0


class Scene:
    """`outage_seconds` is how long a server stays away."""

    def __init__(self, stack: Stack, load: Load, outage_seconds: float) -> None:
        self.stack = stack
        self.load = load
        self.chance = load.chance
        self.outage_seconds = outage_seconds
        self.killed: list[Killed] = []

    async def leader(self) -> Program:
        """The operator that leads now. TimeoutError when none comes to."""
        async with asyncio.timeout(_LEADER_SECONDS):
            while True:
                for operator in self.stack.operators:
                    if operator.process.running and await self.leads(operator):
                        return operator
                await asyncio.sleep(0.1)

    async def leads(self, operator: Program) -> bool:
        try:
            async with asyncio.timeout(1):
                page = await operator.metrics()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        return any(value == 1 for _, value in samples(page, "greenroom_operator_leading"))

    async def until_another_leads(self, than: Program) -> Program:
        """The leader, once it is not `than`."""
        async with asyncio.timeout(_LEADER_SECONDS):
            while (found := await self.leader()) is than:
                await asyncio.sleep(0.1)
            return found

    def a_pod_with_sessions(self) -> str:
        """Any of the open ones that hold some."""
        held = (body for body in self.stack.recorder.sessions() if events.holder(body) is not None)
        busy: set[str] = {events.status(body)["podName"] for body in held}
        found = sorted(busy.intersection(self.stack.open_pods()))
        assert found, "no pod holds a session"
        return self.chance.choice(found)

    async def kill_pod(self, name: str) -> None:
        """kill -9 of its process, with the sessions in it; returns when the process is gone."""
        process = self.stack.node.pid(name)
        self.killed.append(Killed(name, time.monotonic()))
        os.killpg(process, signal.SIGKILL)
        async with asyncio.timeout(_GONE_SECONDS):
            await self.stack.node.until(name, lambda facts: facts is None or facts.over)

    async def until_calm(self, seconds: float = 60.0) -> None:
        """All programs are ready, the fleets have their pods, somebody leads, and each caller has had a turn."""
        for program in (*self.stack.operators, *self.stack.apis):
            await program.until_ready()
        await self.leader()
        for fleet in self.stack.fleets:
            if not fleet.autoscaling:
                await self._until_pods_serve(fleet)
        await self.load.a_turn_of_each(seconds)

    async def _until_pods_serve(self, fleet: FleetPlan) -> None:
        """As many as it wants; one that is not wanted any more may still hold its calls."""
        open_pods = self.stack.open_pods
        what = f"{fleet.pods} open pods of {fleet.name}"
        await self.stack.recorder.until(lambda: len(open_pods(fleet.name)) >= fleet.pods, _PODS_SECONDS, what)

    def evidence(self) -> Evidence:
        return Evidence(
            recording=list(self.stack.recorder.events),
            lines=self.stack.journal.lines(),
            lives=list(self.load.lives),
            killed=list(self.killed),
            tolerance=self.stack.tolerance,
        )
