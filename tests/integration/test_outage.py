"""The API server stands still for longer than a lease: no session ends, and all that happened is told afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.invariants import Tolerance, events
from tests.stack import FleetPlan, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

OUTAGE_SECONDS = 8.0  # the operators' lease is 5
SLOW = Tolerance(quiet_seconds=30.0, longest_seconds=40.0)


async def test_outage_longer_than_the_lease(control_plane: ControlPlane, installed_crds: None, tmp_path: Path) -> None:
    fleet = FleetPlan(pods=2, slots=10)
    async with Stack(control_plane, tmp_path, [fleet], operators=2, apis=1, tolerance=SLOW) as stack:
        stays = [(await stack.api.start(f"stays-{number}")).session_id for number in range(6)]
        leaves = (await stack.api.start("leaves", parameters={"finish_seconds": 3})).session_id
        pods = sorted(stack.open_pods())
        operators = [operator.process.pid for operator in stack.operators]
        control_plane.api_server.suspend()
        try:
            during = asyncio.create_task(stack.api.start_patiently("during", "key"))
            looked = await stack.api.look("stays-0", stays[0])
            assert looked.status == 200, "reads come from what the API knows"
            await asyncio.sleep(OUTAGE_SECONDS)
        finally:
            control_plane.api_server.resume()
        await control_plane.wait_ready()
        assert (await during).status == 201
        assert (await stack.until_ended(leaves))["reason"] == "Finished", "it ended by itself, and that was kept"
        left_at = stack.journal.at(leaves, "left")
        assert left_at - stack.journal.at(leaves, "built") < OUTAGE_SECONDS, "its agent did not wait for the server"
        for name in stays:
            body = stack.recorder.session(name)
            assert body is not None
            assert (events.phase(body), events.attempt(body)) == ("Running", 1)
            assert [line.event for line in stack.journal.of(name)] == ["built", "joined"]
        assert sorted(stack.open_pods()) == pods, "no pod was replaced"
        assert [operator.process.pid for operator in stack.operators if operator.process.running] == operators
        after = await stack.api.start("after")
        assert after.status == 201
