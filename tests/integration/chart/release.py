"""A release of the chart in a namespace of the real API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.unit.chart.rendering import CHART, Body, Helm

from .requests import Objects

if TYPE_CHECKING:
    from greenroom_local.control_plane import ControlPlane


class Release:
    """What helm does there, and what came of it."""

    def __init__(self, helm: Helm, cluster: ControlPlane, namespace: str) -> None:
        self._helm = helm
        self.cluster = cluster
        self.namespace = namespace
        self.objects = Objects(cluster.admin)

    async def install(self, values: Body, *flags: str) -> str:
        """What helm says. Raises Refused."""
        return await self.helm("install", "greenroom", str(CHART), *flags, values=values)

    async def upgrade(self, values: Body) -> str:
        return await self.helm("upgrade", "greenroom", str(CHART), "--reset-then-reuse-values", values=values)

    async def helm(self, *words: str, values: Body | None = None) -> str:
        return await asyncio.to_thread(
            self._helm.run, *words, "--namespace", self.namespace, values=values, kubeconfig=self.cluster.kubeconfig
        )

    def rendered(self, values: Body) -> list[Body]:
        return self._helm.render(values, namespace=self.namespace)

    async def read(self, body: Body) -> dict[str, Any]:
        """The stored object of that kind and name. Raises AdminError."""
        path = await self.objects.collection(body)
        return await self.cluster.admin.request("GET", f"{path}/{body['metadata']['name']}")
