"""A control plane and one real node with everything that pods need; the order of coming and going is here."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import run
from tests.e2e.cluster.model import Cluster, ClusterUnavailable
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
from greenroom_local.control_plane import ControlPlane
from greenroom_local.controllers import ControllerManager
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
    addresses = networks.choose(networks.routed(await run(("ip", "-4", "route", "show", "table", "all"))))
    say(f"starting a control plane at {addresses.machine} and a node at {addresses.node}")
    crew = Crew(layout.logs, clock)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(clear, layout, clock)
        stack.push_async_callback(crew.end)
        space = await stack.enter_async_context(opened(layout, addresses, clock))
        plane, containerd = _control_plane(layout, parts, addresses, clock), Containerd(space)
        async with asyncio.TaskGroup() as both:
            both.create_task(stack.enter_async_context(plane))
            both.create_task(containerd.start(crew, parts.archives.all))
        manager = ControllerManager(plane, parts.programs.controller_manager, controllers=ALL_CONTROLLERS, clock=clock)
        servers.start(crew, space, plane, parts.programs, addresses)
        await stack.enter_async_context(manager)
        crew.join(manager.process)
        say("starting DNS and the ingress controller")
        await Workloads(plane, crew).bring_up(addresses, parts.programs.contour_manifests)
        http, https = f"http://{addresses.node}:80", f"https://{addresses.node}:443"
        # The node goes first: nobody is left then for whom the control plane would wait.
        stack.push_async_callback(space.process.kill)
        yield Cluster("node", plane.kubeconfig, http, https, ingress.CLASS, containerd.load)


def _control_plane(layout: Layout, parts: Parts, addresses: Addresses, clock: Clock) -> ControlPlane:
    return ControlPlane(
        parts.programs.plane,
        layout.plane,
        unsafe_no_fsync=True,
        reach=Reach(str(addresses.machine), str(addresses.services)),
        identities=servers.identities(addresses),
        clock=clock,
    )
