"""A control plane and one real node with everything that pods need; its order of coming and going is here."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.cluster.model import Cluster, ClusterFailed, ClusterUnavailable, Say
from tests.e2e.cluster.node import addresses as networks
from tests.e2e.cluster.node import cgroups, configs, dns, ingress, leftovers, machine, servers
from tests.e2e.cluster.node.commands import CommandFailed, run
from tests.e2e.cluster.node.layout import CONTAINERD_SOCKET, NODE_NAME, Layout
from tests.e2e.cluster.node.parts import PAUSE, Archives, find_archives
from tests.e2e.cluster.node.space import Space, open_space

from greenroom_core.clock import SystemClock
from greenroom_local.admin import AdminError
from greenroom_local.binaries import ClusterPrograms, NotFound, find_cluster_programs
from greenroom_local.control_plane import ControlPlane
from greenroom_local.controllers import ControllerManager
from greenroom_local.kubeconfig import write_identity_kubeconfig
from greenroom_local.lock import Held, locked
from greenroom_local.ports import free_ports
from greenroom_local.servers import ALL_CONTROLLERS, Reach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.e2e.cluster.node.addresses import Addresses

    from greenroom_local.children import ChildProcess

_READY_SECONDS = 180.0
_IMPORT_SECONDS = 300.0
_POLL_SECONDS = 0.1
_CTR = ("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "import")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node is made of, all of it on this machine."""

    programs: ClusterPrograms
    archives: Archives


def prepare(say: Say) -> Parts:
    """Packages, programs and images, got where they are missing; nothing is started. Raises ClusterUnavailable."""
    machine.check()
    machine.install_packages(say)
    try:
        programs = find_cluster_programs()
        return Parts(programs, find_archives(programs))
    except (NotFound, OSError) as problem:
        raise ClusterUnavailable(str(problem)) from None


@asynccontextmanager
async def node_cluster(directory: Path, say: Say) -> AsyncIterator[Cluster]:
    """Up with DNS and ingress inside, gone without a trace but its logs after."""
    parts = await asyncio.to_thread(prepare, say)
    layout = Layout(directory.resolve())
    try:
        with locked(layout.directory / "lock"):
            async with _Node(layout, parts, say).up() as cluster:
                yield cluster
    except Held as holder:
        raise ClusterUnavailable(
            f"a cluster is up in {layout.directory} (process {holder}): end it, or give its kubeconfig"
        ) from None


class _Node:
    def __init__(self, layout: Layout, parts: Parts, say: Say) -> None:
        self.layout = layout
        self.parts = parts
        self.say = say
        self.clock = SystemClock()
        self.children: list[ChildProcess] = []

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Cluster]:
        await leftovers.clear(self.layout, self.clock)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(leftovers.clear, self.layout, self.clock)
            addresses = await self._addresses()
            self._make_folders()
            space = await open_space(self.layout, addresses, self.clock)
            stack.push_async_callback(self._end, space)
            plane = await self._control_plane(stack, space, addresses)
            await self._programs(stack, space, plane, addresses)
            await self._workloads(plane, addresses)
            yield self._cluster(space, plane, addresses)

    async def _addresses(self) -> Addresses:
        routes = await run(("ip", "-4", "route", "show", "table", "all"))
        return networks.choose(networks.routed(routes))

    def _make_folders(self) -> None:
        layout = self.layout
        for folder in (layout.config / "cni", layout.containerd, layout.kubelet, layout.pod_logs, layout.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        for log in layout.logs.glob("*.log"):
            log.unlink()
        try:
            cgroups.make(leftovers.SYS_FS_CGROUP, layout.name)
        except OSError as error:
            raise ClusterUnavailable(f"no cgroup can be made for pods: {error}") from None

    async def _control_plane(self, stack: AsyncExitStack, space: Space, addresses: Addresses) -> ControlPlane:
        """The control plane, while containerd starts and takes in the images."""
        self.say(f"starting a control plane at {addresses.machine} and a node at {addresses.node}")
        reach = Reach(str(addresses.machine), str(addresses.services))
        plane = ControlPlane(
            self.parts.programs.plane,
            self.layout.plane,
            unsafe_no_fsync=True,
            reach=reach,
            identities=servers.identities(addresses),
            clock=self.clock,
        )
        async with asyncio.TaskGroup() as both:
            both.create_task(stack.enter_async_context(plane))
            both.create_task(self._containerd(space))
        return plane

    async def _containerd(self, space: Space) -> None:
        config = self.layout.config / "containerd.toml"
        kind = await run(("findmnt", "--noheadings", "--output=FSTYPE", f"--target={self.layout.containerd}"))
        config.write_text(configs.containerd(PAUSE, configs.snapshotter(kind.strip())))
        child = self._start(space.child("containerd", servers.containerd_words(config)))
        ctr = ("ctr", f"--address={CONTAINERD_SOCKET}", "version")
        await self._until("containerd answers", lambda: _succeeds(space, ctr), (child,))
        for archive in self.parts.archives.all:
            await space.run(*_CTR, str(archive), seconds=_IMPORT_SECONDS)

    async def _programs(self, stack: AsyncExitStack, space: Space, plane: ControlPlane, addresses: Addresses) -> None:
        programs, config = self.parts.programs, self.layout.config
        for identity in servers.identities(addresses):
            path = config / f"{identity.name}.kubeconfig"
            write_identity_kubeconfig(path, plane.server_url, plane.files, identity.name)
        kubelet, proxy, scheduler = (config / f"{name}.yaml" for name in ("kubelet", "kube-proxy", "kube-scheduler"))
        resolv_conf = config / "resolv.conf"
        resolv_conf.write_text("")
        (config / "cni" / "10-pods.conflist").write_text(configs.cni(addresses))
        kubelet.write_text(configs.kubelet(addresses, plane.files.folder, resolv_conf, self.layout.name))
        proxy.write_text(configs.kube_proxy(addresses, proxy.with_suffix(".kubeconfig")))
        scheduler.write_text(configs.kube_scheduler(scheduler.with_suffix(".kubeconfig")))
        words = servers.kubelet_words(programs, addresses, kubelet, kubelet.with_suffix(".kubeconfig"))
        self._start(space.child("kubelet", words))
        self._start(space.child("kube-proxy", servers.kube_proxy_words(programs, proxy)))
        (port,) = free_ports(1)
        words = servers.kube_scheduler_words(
            programs, plane.files, scheduler, scheduler.with_suffix(".kubeconfig"), port
        )
        child = self._start(plane.child("kube-scheduler", words))
        stack.push_async_callback(child.kill)
        manager = ControllerManager(plane, programs.controller_manager, controllers=ALL_CONTROLLERS, clock=self.clock)
        await stack.enter_async_context(manager)
        self.children.append(manager.process)

    async def _workloads(self, plane: ControlPlane, addresses: Addresses) -> None:
        await self._apply(plane, dns.objects(addresses))
        await self._until("the node is ready", lambda: self._node_ready(plane))
        self.say("the node is ready; starting DNS and the ingress controller")
        await self._apply(plane, ingress.objects(self.parts.programs.contour_manifests))
        merge = "application/merge-patch+json"
        await plane.admin.request("PATCH", ingress.SERVICE_STATUS, ingress.balanced(addresses), merge)
        for path in (
            f"/apis/apps/v1/namespaces/{dns.NAMESPACE}/deployments/{dns.NAME}",
            f"/apis/apps/v1/namespaces/{ingress.NAMESPACE}/deployments/contour",
            f"/apis/apps/v1/namespaces/{ingress.NAMESPACE}/daemonsets/envoy",
        ):
            await self._until(f"{path.rpartition('/')[2]} is available", partial(_rolled_out, plane, path))

    async def _apply(self, plane: ControlPlane, objects: Sequence[dict[str, Any]]) -> None:
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        kubectl = (str(self.parts.programs.plane.kubectl), f"--kubeconfig={plane.kubeconfig}")
        try:
            await run((*kubectl, "apply", "--server-side", "--force-conflicts", "--filename=-"), given=whole)
        except CommandFailed as problem:
            raise ClusterFailed(str(problem)) from None

    async def _node_ready(self, plane: ControlPlane) -> bool:
        node = await _read(plane, f"/api/v1/nodes/{NODE_NAME}")
        conditions = node.get("status", {}).get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _start(self, child: ChildProcess) -> ChildProcess:
        child.start()
        self.children.append(child)
        return child

    async def _until(self, what: str, holds: Callable[[], Any], children: Sequence[ChildProcess] | None = None) -> None:
        try:
            async with self.clock.timeout(_READY_SECONDS):
                while not await holds():
                    self._check_alive(self.children if children is None else children)
                    await self.clock.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise ClusterFailed(
                f"not so after {_READY_SECONDS:.0f} s: {what}; the logs are in {self.layout.logs}"
            ) from None

    def _check_alive(self, children: Sequence[ChildProcess]) -> None:
        for child in children:
            if not child.running:
                name, log = child.command.name, child.command.log_file
                raise ClusterFailed(
                    f"{name} ended with exit status {child.exit_code}; its log {log} ends:\n{child.last_lines()}"
                )

    def _cluster(self, space: Space, plane: ControlPlane, addresses: Addresses) -> Cluster:
        async def load(archive: Path) -> None:
            await space.run(*_CTR, str(archive.resolve()), seconds=_IMPORT_SECONDS)

        http, https = f"http://{addresses.node}:80", f"https://{addresses.node}:443"
        return Cluster("node", plane.kubeconfig, http, https, ingress.CLASS, load)

    async def _end(self, space: Space) -> None:
        """The first process ends, and the kernel ends all others of the node; those outside only wait for that."""
        await space.process.kill()
        for child in self.children:
            if child.started and child.running:
                await child.kill()


async def _succeeds(space: Space, words: Sequence[str]) -> bool:
    try:
        await space.run(*words)
    except CommandFailed:
        return False
    return True


async def _read(plane: ControlPlane, path: str) -> dict[str, Any]:
    try:
        return await plane.admin.request("GET", path)
    except AdminError as error:
        if error.status in (0, 404, 429, 500, 503):
            return {}
        raise


async def _rolled_out(plane: ControlPlane, path: str) -> bool:
    found = await _read(plane, path)
    status = found.get("status", {})
    wanted = status.get("desiredNumberScheduled", found.get("spec", {}).get("replicas", 1))
    ready = status.get("numberAvailable", status.get("availableReplicas", 0))
    seen = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
    return bool(seen and ready >= wanted > 0)
