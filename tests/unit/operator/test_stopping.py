"""An operator that is told to end does, whatever else happens to it at that moment."""

from __future__ import annotations

import asyncio
from random import Random

from tests.fakes.apiserver import FakeApiServer
from tests.fakes.operator_shell import operator_in_shell
from tests.fakes.processes import Process, run_processes

from greenroom_core.world import World
from greenroom_operator.settings import Settings


def test_a_leader_that_is_told_to_end_while_it_stands_still_ends_when_it_goes_on() -> None:
    """Wherever it stood: its term may be over at the same moment."""

    async def story(steps: int) -> None:
        server, process = FakeApiServer(), Process("operator")
        world = World(server.clock, Random(1), server.transport("operator"))
        operator, run = process.run(lambda: operator_in_shell(world, Settings(namespace="default"), "operator"))
        life = process.start(run())
        while not operator.leading:
            await asyncio.sleep(0.01)
        stood = asyncio.Event()
        process.stop_after(steps, stood.set)
        await stood.wait()
        await asyncio.sleep(30)
        life.cancel()
        process.go_on()
        await asyncio.wait((life,), timeout=30)
        assert life.cancelled(), f"stood still after {steps} steps"

    for steps in range(1, 60):
        run_processes(story(steps))
