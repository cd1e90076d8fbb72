"""Plays scheduler and kubelet for all pods of a namespace by writing what they would: no process runs behind a pod.

The pods themselves are the operator's own; here they are bound to a node, made ready, and taken away when deleted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from greenroom_core.kube.client import Selection
from greenroom_core.kube.errors import Conflict, NotFound
from greenroom_core.kube.feed import Change, Feed
from greenroom_core.kube.kinds import loose
from greenroom_local.node.pod import PODS, LocalPod
from greenroom_local.node.record import PodRecord
from greenroom_local.node.status import Facts, status_of
from greenroom_local.ports import LOOPBACK

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient

_PODS_PER_NODE = 100


class SimulatedNodes:
    """`ready` counts the pods that have been made ready; `changed` is set at each."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.ready: set[str] = set()
        self.changed = asyncio.Event()
        self._client = client
        self._namespace = namespace
        self._taken: set[str] = set()
        self._records: dict[str, PodRecord] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await Feed(self._client, PODS, Selection(self._namespace), self._on_pod).run()

    def _on_pod(self, change: Change[LocalPod]) -> None:
        pod, group = change.new, self._group
        if pod is None or group is None:
            if change.old is not None:
                self.ready.discard(change.old.metadata.uid)
            return
        if pod.metadata.uid not in self._taken:
            self._taken.add(pod.metadata.uid)
            group.create_task(self._start(pod))
        elif pod.metadata.deletion_timestamp is not None and (record := self._records.pop(pod.metadata.uid, None)):
            self.ready.discard(pod.metadata.uid)
            group.create_task(record.delete())

    async def _start(self, pod: LocalPod) -> None:
        await self._bind(pod)
        self._records[pod.metadata.uid] = record = PodRecord(self._client, pod.metadata)
        now = self._client.world.clock.wall()
        facts = Facts(seen_at=now, started_at=now, ready=True, ready_since=now)
        await record.write_status(lambda: status_of(pod, facts, LOOPBACK))
        self.ready.add(pod.metadata.uid)
        self.changed.set()

    async def _bind(self, pod: LocalPod) -> None:
        meta = pod.metadata
        node = f"{self._namespace}-{len(self._taken) // _PODS_PER_NODE}"
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.create(loose("/api/v1", "pods"), meta.namespace, binding, f"{meta.name}/binding")
        except (Conflict, NotFound):
            return
