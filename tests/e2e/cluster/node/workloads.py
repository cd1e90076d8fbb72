"""What runs in the cluster before anything of the suite does: DNS and the ingress controller."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import ClusterFailed
from tests.e2e.cluster.node import dns, ingress
from tests.e2e.cluster.node.layout import NODE_NAME

from greenroom_local.admin import AdminError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.cluster.node.addresses import Addresses
    from tests.e2e.cluster.node.crew import Crew

    from greenroom_local.control_plane import ControlPlane

_MERGE = "application/merge-patch+json"
_ROLLOUTS = (
    f"/apis/apps/v1/namespaces/{dns.NAMESPACE}/deployments/{dns.NAME}",
    f"/apis/apps/v1/namespaces/{ingress.NAMESPACE}/deployments/contour",
    f"/apis/apps/v1/namespaces/{ingress.NAMESPACE}/daemonsets/envoy",
)


@dataclass(frozen=True, slots=True)
class Workloads:
    """Of the cluster behind `plane`; `crew` is what it rests on."""

    plane: ControlPlane
    crew: Crew

    async def bring_up(self, addresses: Addresses, contour_manifests: Path) -> None:
        """Apply all, and wait until the node is ready and everything on it available. Raises ClusterFailed."""
        await self._apply((*dns.objects(addresses), *ingress.objects(contour_manifests)))
        await self.plane.admin.request("PATCH", ingress.SERVICE_STATUS, ingress.balanced(addresses), _MERGE)
        await self.crew.until("the node is ready", self._node_ready)
        for path in _ROLLOUTS:
            await self.crew.until(f"{path.rpartition('/')[2]} is available", partial(self._available, path))

    async def _apply(self, objects: Sequence[dict[str, Any]]) -> None:
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        kubectl = (str(self.plane.binaries.kubectl), f"--kubeconfig={self.plane.kubeconfig}")
        try:
            await run((*kubectl, "apply", "--server-side", "--force-conflicts", "--filename=-"), given=whole)
        except CommandFailed as problem:
            raise ClusterFailed(str(problem)) from None

    async def _node_ready(self) -> bool:
        return node_ready(await self._read(f"/api/v1/nodes/{NODE_NAME}"))

    async def _available(self, path: str) -> bool:
        return rolled_out(await self._read(path))

    async def _read(self, path: str) -> dict[str, Any]:
        """Empty while there is no answer or no such object: what is waited for has not come yet."""
        try:
            return await self.plane.admin.request("GET", path)
        except AdminError as error:
            if error.status in (0, 404, 429, 500, 503):
                return {}
            raise ClusterFailed(str(error)) from None


def node_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def rolled_out(workload: dict[str, Any]) -> bool:
    """Whether all pods of a Deployment or DaemonSet are available, as of its present spec."""
    status = workload.get("status", {})
    wanted = status.get("desiredNumberScheduled", workload.get("spec", {}).get("replicas", 1))
    available = status.get("numberAvailable", status.get("availableReplicas", 0))
    seen = status.get("observedGeneration") == workload.get("metadata", {}).get("generation")
    return bool(workload and seen and available >= wanted > 0)
