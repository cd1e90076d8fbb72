"""A control plane and one real node with everything that pods need; the order of coming and going is here."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import Cluster, ClusterFailed, ClusterUnavailable
from tests.e2e.cluster.node import addresses as networks
from tests.e2e.cluster.node import ingress, servers
from tests.e2e.cluster.node.containerd import Containerd
from tests.e2e.cluster.node.crew import Crew
from tests.e2e.cluster.node.layout import Layout
from tests.e2e.cluster.node.leftovers import clear
from tests.e2e.cluster.node.parts import prepare
from tests.e2e.cluster.node.space import opened
from tests.e2e.cluster.node.workloads import Workloads

from greenroom_core.clock import SystemClock
from greenroom_local.admin import AdminError
from greenroom_local.control_plane import ControlPlane, ControlPlaneError
from greenroom_local.controllers import ControllerManager, ControllersError
from greenroom_local.lock import Held, locked
from greenroom_local.servers import ALL_CONTROLLERS, Reach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.cluster.model import Say
    from tests.e2e.cluster.node.addresses import Addresses
    from tests.e2e.cluster.node.parts import Parts

    from greenroom_core.clock import Clock


@asynccontextmanager
async def node_cluster(directory: Path, say: Say) -> AsyncIterator[Cluster]:
    """Up with DNS and ingress inside, gone without a trace but its logs after. Raises ClusterUnavailable, -Failed."""
    parts = await asyncio.to_thread(prepare, say)
    layout = Layout(directory.resolve())
    try:
        with locked(layout.directory / "lock"):
            async with _up(layout, parts, say) as cluster:
                yield cluster
    except Held as holder:
        raise ClusterUnavailable(
            f"a cluster is up in {layout.directory} (process {holder}): end it, or give its kubeconfig"
        ) from None


@asynccontextmanager
async def _up(layout: Layout, parts: Parts, say: Say) -> AsyncIterator[Cluster]:
    clock = SystemClock()
    await clear(layout, clock)
    layout.make()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(clear, layout, clock)
        try:
            cluster = await _start(stack, layout, parts, say, clock)
        except Exception as error:
            raise _told(error) from error
        yield cluster


async def _start(stack: AsyncExitStack, layout: Layout, parts: Parts, say: Say, clock: Clock) -> Cluster:
    addresses = networks.choose(networks.routed(await run(("ip", "-4", "route", "show", "table", "all"))))
    say(f"starting a control plane at {addresses.machine} and a node at {addresses.node}")
    crew = Crew(layout.logs, clock)
    stack.push_async_callback(crew.end)
    space = await stack.enter_async_context(opened(layout, addresses, clock))
    plane, containerd = _control_plane(layout, parts, addresses, clock), Containerd(space)
    async with asyncio.TaskGroup() as both:
        both.create_task(stack.enter_async_context(plane))
        both.create_task(containerd.start(crew, parts.archives.all))
    servers.start(crew, space, plane, parts.programs, addresses)
    manager = ControllerManager(plane, parts.programs.controller_manager, controllers=ALL_CONTROLLERS, clock=clock)
    await stack.enter_async_context(manager)
    crew.join(manager.process)
    say("starting DNS and the ingress controller")
    await Workloads(plane, crew).bring_up(addresses, parts.programs.contour_manifests)
    # Killed, not asked to end: nothing of it is kept, and it would wait for the node's connections.
    stack.push_async_callback(plane.api_server.kill)
    stack.push_async_callback(space.process.kill)
    http, https = f"http://{addresses.node}:80", f"https://{addresses.node}:443"
    return Cluster("node", plane.kubeconfig, http, https, ingress.CLASS, containerd.load)


def _control_plane(layout: Layout, parts: Parts, addresses: Addresses, clock: Clock) -> ControlPlane:
    return ControlPlane(
        parts.programs.plane,
        layout.plane,
        unsafe_no_fsync=True,
        reach=Reach(str(addresses.machine), str(addresses.services)),
        identities=servers.identities(addresses),
        clock=clock,
    )


def _told(error: Exception) -> Exception:
    """As what this module promises to raise, whatever was at work when it failed, alone or beside something else."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    failed = (ControlPlaneError, ControllersError, AdminError, CommandFailed, OSError)
    return ClusterFailed(str(error)) if isinstance(error, failed) else error
