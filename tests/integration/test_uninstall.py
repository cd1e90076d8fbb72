"""`greenroom uninstall` as the chart's Job runs it, under its own Role: before the operator goes, and too late."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest
from tests.stack import FleetPlan, Stack
from tests.stack.programs import install_accounts

from greenroom_core.kube.client import Selection
from greenroom_core.kube.kinds import PODS, RUNTIMES, SESSIONS
from greenroom_core.model import roles

if TYPE_CHECKING:
    from pathlib import Path

    from greenroom_local.control_plane import ControlPlane

pytestmark = pytest.mark.integration

ACCOUNT = "greenroom-uninstall"
LIMIT_SECONDS = 120.0


async def uninstall(stack: Stack, **seconds: float) -> tuple[int, str]:
    """Exit status and log."""
    await install_accounts(stack.plane, stack.namespace, {ACCOUNT: roles.UNINSTALL})
    account = await stack.launchpad.account("uninstall", ACCOUNT)
    flags = [word for name, value in seconds.items() for word in (f"--{name}-seconds", str(value))]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greenroom_core.cli", "uninstall", *flags),
        env={"PATH": os.environ["PATH"], "HOME": str(stack.directory), **account},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        log, _ = await process.communicate()
    return process.returncode or 0, log.decode()


async def left(stack: Stack) -> int:
    pages = [await stack.client.list(kind, Selection(stack.namespace)) for kind in (SESSIONS, RUNTIMES)]
    return sum(len(page.items) for page in pages)


async def test_calls_end_agents_leave_and_nothing_stays(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    async with Stack(control_plane, tmp_path, [FleetPlan(pods=1, slots=5)]) as stack:
        finishes = await stack.api.start("finishes", parameters={"finish_seconds": 3})
        stays = await stack.api.start("stays")
        code, log = await uninstall(stack, drain=8, end=60)
        assert (code, await left(stack)) == (0, 0), log
        assert "is clear" in log
        for started in (finishes, stays):
            assert [line.event for line in stack.journal.of(started.session_id)][-1] == "left"
        await stack.recorder.until(lambda: not stack.recorder.pods(), 60, "the end of the pods")
        assert (await stack.client.list(PODS, Selection(stack.namespace))).items == []


async def test_without_an_operator_nothing_stays_either(
    control_plane: ControlPlane, installed_crds: None, tmp_path: Path
) -> None:
    async with Stack(control_plane, tmp_path, [FleetPlan(pods=1, slots=5)]) as stack:
        stack.judged = False  # nobody is left who could keep the promises
        await stack.api.start("orphan")
        await stack.operators[0].process.kill()
        code, log = await uninstall(stack, drain=1, end=2)
        assert (code, await left(stack)) == (0, 0), log
        assert "did not go by itself: taking off its finalizers" in log
