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
    # patch: the finalizer that keeps a deleted one until it is drained.
    _rule(names.GROUP, "agentruntimes", "get list watch patch"),
    _rule(names.GROUP, "agentruntimes/status", "patch"),
    _rule("", "pods", "get list watch create patch delete"),
    _rule("", "events", "create"),
)
"""In the namespace (or namespaces) that it looks after."""

OPERATOR_LEASE: tuple[Rule, ...] = (_rule("coordination.k8s.io", "leases", "get list watch create patch"),)
"""In the operator's own namespace. list watch: so that a standby sees at once that the Lease is given up."""

OPERATOR_NODES: tuple[Rule, ...] = (_rule("", "nodes", "list watch"),)
"""For the whole cluster, since nodes are the cluster's: to see which are cordoned. The operator can do without."""

API: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions", "get list watch create patch delete"),
    _rule(names.GROUP, "agentruntimes", "get list watch"),
)

API_REVIEWS: tuple[Rule, ...] = (
    _rule("authentication.k8s.io", "tokenreviews", "create"),
    _rule("authorization.k8s.io", "subjectaccessreviews", "create"),
)
"""For the whole cluster, since callers are the cluster's: who asks the API, and what they may. Only where it asks the
cluster for both."""

UNINSTALL: tuple[Rule, ...] = (_rule(names.GROUP, "agentsessions agentruntimes", "list patch delete"),)
"""Of what sees everything out before the operator goes."""

CHECK: tuple[Rule, ...] = (_rule(names.GROUP, "agentsessions", "create get update"),)
"""Of what `helm test` runs, which asks the REST API alone: to start a session, look at it and close it."""

RUNTIME: tuple[Rule, ...] = (
    # get list watch: the sessions bound here, and by name where in doubt. create: what its own launcher starts.
    _rule(names.GROUP, "agentsessions", "get list watch create"),
    # patch: run state and figures of the sessions bound here, and the end of own starts that nobody waits for.
    _rule(names.GROUP, "agentsessions/status", "patch"),
)

USER_VIEW: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions agentruntimes", "get list watch"),
    _rule(names.GROUP, "agentsessions/metrics", "get"),  # a subresource that only the REST API asks about
)
"""What people may look at: part of the cluster's `view`, `edit` and `admin`."""

USER_EDIT: tuple[Rule, ...] = (
    _rule(names.GROUP, "agentsessions agentruntimes", "create update patch delete"),
    _rule(names.GROUP, "agentruntimes/scale", "get update patch"),
)
"""What people may change besides: part of `edit` and `admin`. Status is the programs' own."""
