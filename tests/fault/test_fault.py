"""The short form of `make fault`: each case once, outages of 8 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.fault.registry import LINEUPS
from tests.fault.run import Report, run_all
from tests.fault.runner import Plan

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(control_plane: ControlPlane, installed_crds: None, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All of them in one go, lineups side by side: one after another they would take far longer."""
    return await run_all(control_plane, tmp_path_factory.mktemp("fault"), LINEUPS, Plan(tries=1, short=True))


@pytest.mark.parametrize("name", [case.name for lineup in LINEUPS for case in lineup.cases])
async def test_nothing_lost_doubled_stuck_or_cut(report: Report, name: str) -> None:
    [outcome] = [outcome for outcome in report.outcomes if outcome.name == name]
    assert not outcome.troubles(), "\n".join(outcome.troubles())
    assert outcome.tries == 1
    assert outcome.sessions > 0


async def test_no_program_tripped_over_itself(report: Report) -> None:
    assert report.tripped == {}
