"""A pod's object at the API server: its status written by us alone, and its removal at the very end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.errors import Conflict, Invalid, KubeError, NotFound
from greenroom_local.node.pod import PODS, LocalPod

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from greenroom_core.kube.client import KubeClient
    from greenroom_core.model.meta import ObjectMeta

logger = logging.getLogger("greenroom.local.node")

_RETRY_SECONDS = 0.5


class PodRecord:
    """One object. `gone` says that it certainly is no longer there; then nothing is written any more."""

    def __init__(self, client: KubeClient, metadata: ObjectMeta) -> None:
        self.gone = False
        self._client = client
        self._metadata = metadata
        self._written: dict[str, Any] = {}
        self._written_version = 0

    def observe(self, pod: LocalPod) -> None:
        """A state of the object: where somebody else has called it ready, or not, since we wrote, we write again."""
        if int(pod.metadata.resource_version) > self._written_version and _ready(pod.status) != _ready(self._written):
            self._written = {}

    async def write_status(self, newest: Callable[[], dict[str, Any]]) -> None:
        """Until the newest status is written, or the object is gone. An outage is waited for."""
        while not self.gone:
            status = newest()
            if status == self._written:
                return
            try:
                await self._patch_status(status)
            except KubeError as error:
                logger.warning("pod %s: status not written: %s; trying again", self._metadata.key, error)
                await self._client.world.clock.sleep(_RETRY_SECONDS)

    async def delete(self) -> None:
        """A kubelet's last word: no process is left, so the object may go."""
        meta = self._metadata
        while not self.gone:
            try:
                await self._client.delete(PODS, meta.namespace, meta.name, uid=meta.uid, grace_period_seconds=0)
                return
            except (NotFound, Conflict):
                return
            except KubeError as error:
                logger.warning("pod %s: not deleted: %s; trying again", meta.key, error)
            await self._client.world.clock.sleep(_RETRY_SECONDS)

    async def _patch_status(self, status: dict[str, Any]) -> None:
        meta = self._metadata
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            after = await self._client.json_patch(PODS, meta.namespace, meta.name, operations, subresource="status")
            self._written, self._written_version = status, int(after.metadata.resource_version)
        except NotFound:
            self.gone = True
        except Invalid as refused:
            if refused.causes:
                raise AssertionError(f"pod {meta.key}: a status of ours is refused: {refused}") from refused
            self.gone = True  # a namesake stands there


def _ready(status: Mapping[str, Any]) -> str | None:
    return next((item["status"] for item in status.get("conditions") or () if item["type"] == "Ready"), None)
