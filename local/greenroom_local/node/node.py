"""The node: takes pods that nobody has scheduled, and keeps one :class:`PodLife` for each pod that is its own.

While it is cordoned it takes none: they stay Pending, as with a real scheduler that has no other node.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Conflict, KubeError, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import NODES, loose
from greenroom_local.node.life import House, PodLife
from greenroom_local.node.pod import PODS, LocalPod
from greenroom_local.node.presence import Presence
from greenroom_local.node.probes import Prober

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.node import Node
    from greenroom_local.control_plane import ControlPlane
    from greenroom_local.node.status import Facts

logger = logging.getLogger("greenroom.local.node")

_RETRY_SECONDS = 0.5
_END_SECONDS = 3.0
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "USER")


class ProcessNode:
    """``async with ProcessNode(plane, namespace, directory) as node:``: pods of `namespace` run as processes inside;
    all of them have ended after.

    `directory` gets the pods' own files and `logs/<pod>.log`. `base_environment` is what every process starts from;
    the default has the interpreter's folder first on PATH, and otherwise little. `api_server_port` is where the
    processes find the API server, when not where the node finds it; `own_port` is where the node does. With
    `report_seconds` the node reports itself ready so often, as a controller manager wants it.
    """

    def __init__(
        self,
        plane: ControlPlane,
        namespace: str,
        directory: Path,
        *,
        name: str = "",
        working_directory: Path | None = None,
        base_environment: Mapping[str, str] | None = None,
        api_server_port: int | None = None,
        own_port: int | None = None,
        report_seconds: float | None = None,
    ) -> None:
        self.namespace = namespace
        self.name = name or f"local-{namespace}"
        self.logs = directory.resolve() / "logs"
        self._plane = plane
        self._folder = directory.resolve() / "pods"
        self._working_directory = working_directory or Path.cwd()
        self._base_environment = base_environment or default_environment(os.environ)
        self._api_server_port = plane.port if api_server_port is None else api_server_port
        self._own_port = own_port
        self._report_seconds = report_seconds
        self._lives: dict[str, PodLife] = {}
        self._binding: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._open = asyncio.Event()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"node {self.name}")
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._end()
            raise
        finally:
            ready.cancel()
        if self._task.done():
            await self._task
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        assert self._task is not None
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            return

    def port(self, pod_name: str) -> int:
        """Where that pod's process listens. Raises KeyError for a pod that is not here."""
        return self._life(pod_name).port

    def pid(self, pod_name: str) -> int:
        """That pod's process, for faults. Raises KeyError for a pod that is not here or has not started."""
        pid = self._life(pod_name).pid
        if pid is None:
            raise KeyError(pod_name)
        return pid

    def log_file(self, pod_name: str) -> Path:
        """Everything that the pod's process has printed."""
        return self.logs / f"{pod_name}.log"

    async def until(self, pod_name: str, holds: Callable[[Facts | None], bool]) -> None:
        """Wait until `holds` of what is known of that pod's process; None stands for a pod that is not here."""
        while not holds(self.facts(pod_name)):
            await self._news.wait()

    def facts(self, pod_name: str) -> Facts | None:
        """What is known of that pod's process; None for a pod that is not here."""
        try:
            return self._life(pod_name).facts
        except KeyError:
            return None

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _life(self, pod_name: str) -> PodLife:
        for life in self._lives.values():
            if life.name == pod_name:
                return life
        raise KeyError(pod_name)

    async def _run(self) -> None:
        async with self._plane.client(port=self._own_port) as client, aiohttp.ClientSession() as session:
            house = self._house(client, Prober(session, client.world.clock))
            presence = Presence(client, self.name)
            await presence.register()
            try:
                await self._keep(client, house, presence)
            finally:
                await asyncio.gather(*(life.end_with_node(_END_SECONDS) for life in self._lives.values()))

    async def _keep(self, client: KubeClient, house: House, presence: Presence) -> None:
        async with asyncio.TaskGroup() as group:

            def on_change(change: Change[LocalPod]) -> None:
                if change.new is not None:
                    self._take(group, client, house, change.new)
                elif change.old is not None and change.old.metadata.uid in self._lives:
                    group.create_task(self._verify_gone(client, change.old))

            def on_node(change: Change[Node]) -> None:
                if change.new is None or change.new.spec.unschedulable:
                    self._open.clear()
                else:
                    self._open.set()

            if self._report_seconds is not None:
                group.create_task(presence.keep(self._report_seconds))
            itself = Feed(client, NODES, Selection(fields=f"metadata.name={self.name}"), on_node)
            group.create_task(itself.run())
            feed = Feed(client, PODS, Selection(self.namespace), on_change)
            group.create_task(feed.run())
            await itself.synced.wait()
            await feed.synced.wait()
            self._ready.set()

    def _take(self, group: asyncio.TaskGroup, client: KubeClient, house: House, pod: LocalPod) -> None:
        uid = pod.metadata.uid
        if uid in self._lives:
            self._lives[uid].observe(pod)
        elif not pod.node_name:
            if uid not in self._binding and pod.metadata.deletion_timestamp is None:
                self._binding.add(uid)
                group.create_task(self._bind(client, pod))
        elif pod.node_name == self.name:
            self._lives[uid] = life = PodLife(house, pod, self._tell)
            life.observe(pod)
            self._tell()
            group.create_task(self._live(uid, life))

    async def _live(self, uid: str, life: PodLife) -> None:
        await life.run()
        del self._lives[uid]
        self._tell()

    async def _bind(self, client: KubeClient, pod: LocalPod) -> None:
        meta = pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.name},
        }
        pods = loose("/api/v1", "pods")
        try:
            while True:
                await self._open.wait()
                try:
                    await client.create(pods, meta.namespace, binding, f"{meta.name}/binding")
                    return
                except (NotFound, Conflict):
                    return
                except KubeError as error:
                    logger.warning("pod %s: not bound: %s; trying again", meta.key, error)
                await client.world.clock.sleep(_RETRY_SECONDS)
        finally:
            self._binding.discard(meta.uid)

    async def _verify_gone(self, client: KubeClient, pod: LocalPod) -> None:
        """A feed's silence about a pod is no proof; the object itself is asked for."""
        meta = pod.metadata
        while (life := self._lives.get(meta.uid)) is not None:
            try:
                if (await client.get(PODS, meta.namespace, meta.name)).metadata.uid == meta.uid:
                    return
                life.removed()
                return
            except NotFound:
                life.removed()
                return
            except KubeError as error:
                logger.warning("pod %s: is it gone? %s; asking again", meta.key, error)
                await client.world.clock.sleep(_RETRY_SECONDS)

    def _house(self, client: KubeClient, prober: Prober) -> House:
        return House(
            client=client,
            prober=prober,
            ca_file=self._plane.ca_file,
            api_server_port=self._api_server_port,
            folder=self._folder,
            logs=self.logs,
            working_directory=self._working_directory,
            base_environment=self._base_environment,
        )


def default_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Little, so that a pod does not come to rest on what happens to be set here; `python` is this interpreter."""
    kept = {name: environment[name] for name in _KEPT if name in environment}
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    return {**kept, "PATH": path}
