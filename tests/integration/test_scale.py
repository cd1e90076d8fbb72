"""The small form of `make bench-scale`: pods that are objects only, and one process that speaks for all of them.

Counts and writes are held, never times.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.bench.scale import stillness
from tests.bench.scale.field import AT_A_TIME, Field
from tests.bench.scale.turnover import Turnovers
from tests.stack.meters import ServerMeter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

PODS, SLOTS, LIVE = 20, 10, 180
SESSIONS = "agentsessions"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(
    control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Field]:
    directory: Path = tmp_path_factory.mktemp("scale")
    async with Field(control_plane, directory, pods=PODS, slots=SLOTS) as field:
        yield field
        field.check()


def of_sessions(writes: dict[str, int]) -> dict[str, int]:
    return {key: count for key, count in writes.items() if SESSIONS in key}


def of_terms(further: int) -> int:
    """A Lease lost by a machine that is far too busy: those who wait are fenced, and a write or two not counted."""
    return 2 * AT_A_TIME * further


async def test_a_fill_costs_each_session_its_create_bind_and_two_facts(field: Field) -> None:
    meter = ServerMeter(field.plane.admin)
    before, term = await meter.read(), await field.epoch()
    await field.fill(LIVE)
    writes = of_sessions(stillness.written(before, await meter.read()))
    assert len(field.witness.live) == len(field.witness.running) == len(field.witness.joined) == LIVE
    assert writes.pop(f"POST {SESSIONS}") == LIVE
    # Bind, Running and Joined; under load the last two may travel together, and a wait of over a second is shown.
    status_writes = writes.pop(f"PATCH {SESSIONS}/status")
    more = await field.writes_for("wait") + of_terms(await field.epoch() - term)
    assert 2 * LIVE <= status_writes <= 3 * LIVE + more
    assert writes == {}
    assert all(seen.attempts == 1 for seen in field.witness.seen.values())
    field.check()


async def test_at_rest_nothing_is_written_of_sessions(field: Field) -> None:
    await field.fill(LIVE)
    still = await stillness.measured(field, seconds=5)
    assert of_sessions(still.writes) == {}
    assert still.others == 0, still.writes


async def test_every_slot_is_used_and_one_more_session_waits_for_the_first_that_comes_free(field: Field) -> None:
    await field.fill(PODS * SLOTS)
    (one_more,) = field.session_bodies(1)
    name = one_more["metadata"]["name"]
    await field.create(one_more)
    await field.witness.until(
        lambda: name in field.witness.seen and field.witness.seen[name].waited, 20, "a wait shown"
    )
    assert name not in field.witness.running
    leaving = next(iter(field.witness.joined))
    await field.close([leaving])
    await field.witness.until(lambda: name in field.witness.joined, 20, "the one that waited in its call")
    field.check()


async def test_the_next_leader_moves_nobody_and_touches_only_those_who_wait(field: Field) -> None:
    living = PODS * SLOTS - 20
    await field.close(list(field.witness.joined)[: len(field.witness.live) - living])
    await field.fill(living)
    held = {name: seen.attempts for name, seen in field.witness.seen.items() if name in field.witness.live}
    meter = ServerMeter(field.plane.admin)
    before, term = await meter.read(), await field.epoch()
    for of_one in (Turnovers(field).handovers, Turnovers(field).failovers, Turnovers(field).restarts):
        await of_one(1)
    writes = of_sessions(stillness.written(before, await meter.read()))
    assert held.keys() <= field.witness.joined
    assert {name: field.witness.seen[name].attempts for name in held} == held
    came = writes[f"POST {SESSIONS}"]
    # Of each that came meanwhile: the fence where it waited, a shown wait, bind, Running, Joined, end.
    assert writes[f"PATCH {SESSIONS}/status"] <= 6 * came + of_terms(await field.epoch() - term - 3)
    field.check()


async def test_all_that_are_closed_end_and_leave_their_slots(field: Field) -> None:
    async with asyncio.timeout(60):
        await field.close(list(field.witness.live))
    assert not field.witness.live
    await field.fill(PODS * SLOTS)
    field.check()
