"""A control plane of its own with the real kube-controller-manager: there, a node that does not report is dead, which
would end the pods of every other test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import yaml
from tests.conftest import CRD_FOLDER
from tests.crds import install
from tests.integration.controllers.budget import busy_pods_budget
from tests.stack import Stack
from tests.unit.chart.rendering import helm_or_failure

from greenroom_local.binaries import find_controller_manager, find_installed
from greenroom_local.control_plane import ControlPlane
from greenroom_local.controllers import ControllerManager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.stack import FleetPlan

NODE_GRACE_SECONDS = 6
NODE_REPORTS_SECONDS = 1.0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """etcd, kube-apiserver, kube-controller-manager and our resources. The first time on a machine this builds the
    controller manager, which takes minutes."""
    binaries = find_installed()
    assert binaries is not None, "no control-plane binaries: run `make test`, which brings them"
    program = await asyncio.to_thread(find_controller_manager, binaries)
    directory = tmp_path_factory.mktemp("cluster")
    async with ControlPlane(binaries, directory, unsafe_no_fsync=True) as plane:
        for path in sorted(CRD_FOLDER.glob("*.yaml")):
            await install(plane.admin, yaml.safe_load(path.read_text()))
        async with ControllerManager(plane, program, node_grace_seconds=NODE_GRACE_SECONDS):
            yield plane


@pytest_asyncio.fixture
async def stacked(
    cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[..., Stack]]:
    """Makes a stack on that cluster, whose node reports itself. Its nodes are taken away after the test: where most
    nodes are silent, the controllers hold the network for broken and delete no pod."""

    def make(*fleets: FleetPlan, **options: object) -> Stack:
        directory = tmp_path_factory.mktemp("stack")
        return Stack(cluster, directory, fleets, node_reports_seconds=NODE_REPORTS_SECONDS, **options)  # type: ignore[arg-type]

    yield make
    await cluster.admin.request("DELETE", "/api/v1/nodes")


@pytest.fixture(scope="session")
def budget() -> dict[str, object]:
    """The chart's PodDisruptionBudget, as helm renders it."""
    return busy_pods_budget(helm_or_failure())
