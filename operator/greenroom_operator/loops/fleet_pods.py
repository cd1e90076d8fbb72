"""Makes and deletes a fleet's pods, as planned, and takes the answers in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.errors import AlreadyExists, Conflict, NotFound, Refused, Unanswered
from greenroom_core.kube.kinds import PODS
from greenroom_operator.planning.pods import pod_body, pod_name
from greenroom_operator.planning.trouble import exit_reason
from greenroom_operator.planning.values import pod_runtime_key

if TYPE_CHECKING:
    from asyncio import TaskGroup
    from collections.abc import Callable, Coroutine, Iterable

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.kube.feed import Feed
    from greenroom_core.model.pod import Pod
    from greenroom_operator.cluster.writer import Writer
    from greenroom_operator.loops.busy_labels import BusyLabels
    from greenroom_operator.planning.values import Fleet, RuntimeKey
    from greenroom_operator.state.fleet_memory import FleetMemory

logger = logging.getLogger("greenroom.operator.fleets")

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_AGAIN_SECONDS = 0.5


class FleetPods:
    """`look_at(key)` is called when an answer is in. A pod has one write under way at most."""

    def __init__(
        self,
        client: KubeClient,
        writer: Writer,
        pods: Feed[Pod],
        labels: BusyLabels,
        look_at: Callable[[RuntimeKey], None],
    ) -> None:
        self._client = client
        self._world = client.world
        self._writer = writer
        self._pods = pods
        self._labels = labels
        self._look_at = look_at
        self._under_way: set[str] = set()

    def make(self, fleet: Fleet, count: int, memory: FleetMemory, group: TaskGroup) -> None:
        for _ in range(count):
            memory.being_made += 1
            group.create_task(self._make(fleet, memory))

    def delete(self, pods: Iterable[Pod], group: TaskGroup) -> None:
        for pod in pods:
            self._once(pod, self._delete, group)

    def unlabel(self, pods: Iterable[Pod], group: TaskGroup) -> None:
        for pod in pods:
            self._once(pod, self._labels.take_off, group)

    def _once(self, pod: Pod, write: Callable[[Pod], Coroutine[Any, Any, None]], group: TaskGroup) -> None:
        if pod.metadata.uid not in self._under_way:
            self._under_way.add(pod.metadata.uid)
            group.create_task(self._write(pod, write))

    async def _write(self, pod: Pod, write: Callable[[Pod], Coroutine[Any, Any, None]]) -> None:
        try:
            await write(pod)
        finally:
            self._under_way.discard(pod.metadata.uid)
            self._look_at(pod_runtime_key(pod))

    async def _make(self, fleet: Fleet, memory: FleetMemory) -> None:
        name = pod_name(fleet, "".join(self._world.random.choices(_SUFFIX_ALPHABET, k=5)))
        key, body = fleet.key, pod_body(fleet, name)
        try:
            self._pods.learn(await self._answered(key, name, body))
            memory.accepted()
            logger.info("pod %s/%s created for revision %s", key.namespace, name, fleet.revision)
        except Refused as error:
            memory.refused(str(error), self._world.clock.boot())
            logger.error("pod %s/%s not created: %s", key.namespace, name, error)
        finally:
            memory.being_made -= 1
            self._look_at(key)

    async def _answered(self, key: RuntimeKey, name: str, body: dict[str, Any]) -> Pod:
        """Repeats the create until its outcome is known."""
        while True:
            try:
                return await self._created(key, name, body)
            except Unanswered as error:
                logger.warning("pod %s/%s: no answer, repeating: %s", key.namespace, name, error)
                await self._world.clock.sleep(_AGAIN_SECONDS)

    async def _created(self, key: RuntimeKey, name: str, body: dict[str, Any]) -> Pod:
        try:
            return await self._client.create(PODS, key.namespace, body)
        except AlreadyExists:  # our own create whose answer was lost
            return await self._client.get(PODS, key.namespace, name)

    async def _delete(self, pod: Pod) -> None:
        """Only at the version seen empty: a label or a session that came meanwhile makes it a 409."""
        meta = pod.metadata
        try:
            await self._client.delete(
                PODS, meta.namespace, meta.name, uid=meta.uid, resource_version=meta.resource_version
            )
            logger.info("pod %s deleted: %s", meta.key, exit_reason(pod) if pod.finished else "not needed")
            await self._look_up(pod)
        except NotFound:
            self._pods.forget(pod)
        except Conflict:
            await self._look_up(pod)  # what was planned on is old, and the watch may tell of it late
        except (Refused, Unanswered) as error:
            logger.debug("pod %s not deleted: %s", meta.key, error)
            await self._world.clock.sleep(_AGAIN_SECONDS)

    async def _look_up(self, pod: Pod) -> None:
        after = await self._writer.read_pod(pod.metadata.namespace, pod.metadata.name)
        if after is None or after.metadata.uid != pod.metadata.uid:
            self._pods.forget(pod)
        else:
            self._pods.learn(after)
