"""The chart's PodDisruptionBudget, and evictions through the API as `kubectl drain` asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom_local.admin import AdminError

if TYPE_CHECKING:
    from tests.stack import Stack
    from tests.unit.chart.rendering import Helm


def busy_pods_budget(helm: Helm) -> dict[str, Any]:
    """The one of the runtime pods with calls, to be applied to any namespace."""
    budgets = [body for body in helm.render({}) if body["kind"] == "PodDisruptionBudget"]
    [budget] = [body for body in budgets if body["metadata"]["name"].endswith("-busy-pods")]
    del budget["metadata"]["namespace"]
    return budget


async def evict(stack: Stack, pod: str) -> int:
    """The status of the answer: 201 when the pod goes, 429 when the budget does not let it."""
    path = f"/api/v1/namespaces/{stack.namespace}/pods/{pod}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": stack.namespace}}
    try:
        await stack.plane.admin.request("POST", path, body)
    except AdminError as refusal:
        return refusal.status
    return 201


async def budget_status(stack: Stack, name: str) -> dict[str, Any]:
    path = f"/apis/policy/v1/namespaces/{stack.namespace}/poddisruptionbudgets/{name}"
    answer = await stack.plane.admin.request("GET", path)
    return dict(answer.get("status") or {})
