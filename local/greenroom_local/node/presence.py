"""The Node object: made once, and reported as ready as often as its control plane needs to hear it.

Without a controller manager nobody takes a silent node for dead, so saying it once is enough.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from greenroom_core.kube.errors import AlreadyExists, KubeError
from greenroom_core.kube.kinds import NODES
from greenroom_local.ports import LOOPBACK

if TYPE_CHECKING:
    from greenroom_core.kube.client import KubeClient

logger = logging.getLogger("greenroom.local.node")


class Presence:
    """One node, by name."""

    def __init__(self, client: KubeClient, name: str) -> None:
        self._client = client
        self._name = name

    async def register(self) -> None:
        """Raises what the client raises."""
        try:
            await self._client.create(NODES, None, {"metadata": {"name": self._name}})
        except AlreadyExists:
            logger.debug("node %s is there already", self._name)
        await self._report()

    async def keep(self, every_seconds: float) -> None:
        """Report again and again, until cancelled; through an outage, too."""
        while True:
            await self._client.world.clock.sleep(every_seconds)
            try:
                await self._report()
            except KubeError as error:
                logger.warning("node %s: not reported: %s", self._name, error)

    async def _report(self) -> None:
        patch = {"status": self._status()}
        await self._client.merge_patch(NODES, None, self._name, patch, subresource="status")

    def _status(self) -> dict[str, Any]:
        now = self._client.world.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "LocalProcesses",
            "message": "pods run as processes",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        return {
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "capacity": {"pods": "110"},
            "allocatable": {"pods": "110"},
        }
