"""What each program may do in the API server: the one list that chart, local control plane and tests use.

Reads cannot be narrowed to one pod's sessions by RBAC; the namespace is the reading boundary.
"""

from __future__ import annotations

from typing import Any

from greenroom_core.model import names

Rule = dict[str, Any]


def _rule(group: str, resources: str, verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


OPERATOR: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", "get list watch patch delete"),
    _rule(names.GROUP, "agentsessions/status", "patch"),
    _rule(names.GROUP, "agentruntimes", "get list watch"),
    _rule(names.GROUP, "agentruntimes/status", "patch"),
    _rule("", "pods", "get list watch create patch delete"),
)
"""In the namespace (or namespaces) that it looks after."""

OPERATOR_LEASE: tuple[Rule, ...] = (_rule("coordination.k8s.io", "leases", "get create patch"),)
"""In the operator's own namespace."""

API: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", "get list watch create patch delete"),
    _rule(names.GROUP, "agentruntimes", "get list watch"),
)

RUNTIME: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", "get list watch"),
    _rule(names.GROUP, "agentsessions/status", "patch"),
)
