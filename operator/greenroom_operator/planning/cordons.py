"""Which pods nobody is to come to any more, though they are well. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container

    from greenroom_core.model.pod import Pod
    from greenroom_operator.planning.values import Fleet

_TAINT = "node.kubernetes.io/unschedulable"


def closed(pod: Pod, fleet: Fleet | None, nodes: Container[str]) -> bool:
    """Cordoned, or made for an AgentRuntime that is gone, whose name this one has."""
    return (fleet is not None and pod.owner_uid != fleet.runtime.metadata.uid) or cordoned(pod, fleet, nodes)


def cordoned(pod: Pod, fleet: Fleet | None, nodes: Container[str]) -> bool:
    """By its own annotation, or by its node, when that is among `nodes` (the names of cordoned ones)."""
    return pod.cordoned or (pod.spec.node_name in nodes and not comes_to_cordoned_nodes(fleet))


def comes_to_cordoned_nodes(fleet: Fleet | None) -> bool:
    """Whether the template's pods may be put on cordoned nodes: then what takes their place would be there again."""
    spec = fleet.runtime.spec.template.get("spec") if fleet is not None else None
    if not isinstance(spec, dict):
        return False
    tolerations = spec.get("tolerations")
    return bool(spec.get("nodeName")) or (isinstance(tolerations, list) and any(map(_tolerates, tolerations)))


def _tolerates(toleration: Any) -> bool:
    """As the scheduler does with the taint that stands for a cordon; it has no value."""
    if not isinstance(toleration, dict) or toleration.get("effect") not in (None, "", "NoSchedule"):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", _TAINT)
    return toleration.get("key") == _TAINT and not toleration.get("value")
