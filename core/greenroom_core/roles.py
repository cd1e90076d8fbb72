"""What each program may do: the one list behind the chart's Roles and the local control plane's. No I/O.

Nobody here may read Secrets, and only the operator may touch pods.
"""

from __future__ import annotations

from typing import Any

from greenroom_core.model import names

Rule = dict[str, Any]


def _rule(group: str, resource: str, *verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


_READ = ("get", "list", "watch")

OPERATOR: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", *_READ, "patch", "delete"),
    _rule(names.GROUP, "agentsessions/status", "patch"),
    _rule(names.GROUP, "agentruntimes", *_READ, "patch"),
    _rule(names.GROUP, "agentruntimes/status", "patch"),
    _rule("", "pods", *_READ, "create", "patch", "delete"),
    _rule("coordination.k8s.io", "leases", "get", "create", "update", "patch"),
    _rule("", "events", "create", "patch"),
)

API: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", *_READ, "create", "patch", "delete"),
    _rule(names.GROUP, "agentruntimes", *_READ),
)

RUNTIME: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", *_READ),
    _rule(names.GROUP, "agentsessions/status", "patch"),
)
