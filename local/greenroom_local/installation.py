"""Greenroom's own objects on a control plane: resource definitions, accounts with their roles, policies, a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom_core.model import admission, names, roles
from greenroom_core.model.crds import runtime_crd, session_crd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenroom_core.clock import Clock
    from greenroom_local.admin import Admin

OPERATOR_ACCOUNT = "greenroom-operator"
API_ACCOUNT = "greenroom-api"
RUNTIME_ACCOUNT = "greenroom-runtime"

_RULES: Mapping[str, Sequence[roles.Rule]] = {
    OPERATOR_ACCOUNT: (*roles.OPERATOR, *roles.OPERATOR_LEASE),
    API_ACCOUNT: roles.API,
    RUNTIME_ACCOUNT: roles.RUNTIME,
}
_CLUSTER_RULES: Mapping[str, Sequence[roles.Rule]] = {OPERATOR_ACCOUNT: roles.OPERATOR_NODES}

_ESTABLISHED_SECONDS = 30.0
_POLL_SECONDS = 0.1


async def install_resources(admin: Admin, clock: Clock) -> None:
    """Apply both resource definitions and wait until the API server serves them. Raises AdminError, TimeoutError."""
    for crd in (session_crd(), runtime_crd()):
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        await admin.apply(path, crd)
        async with clock.timeout(_ESTABLISHED_SECONDS):
            while not _established(await admin.request("GET", path)):
                await clock.sleep(_POLL_SECONDS)


async def install_policies(admin: Admin, namespace: str, operator_namespace: str | None = None) -> None:
    """What a runtime pod may write; they are in force a moment later. Their names have the namespace's, for they are
    the cluster's. `operator_namespace`: where the operator's account is, if it is in another."""
    group = "/apis/admissionregistration.k8s.io/v1"
    for policy in (
        admission.run_state(f"{namespace}-run-state", namespace, OPERATOR_ACCOUNT, operator_namespace),
        admission.own_sessions(f"{namespace}-own-sessions", namespace),
    ):
        name = policy["metadata"]["name"]
        await admin.apply(f"{group}/validatingadmissionpolicies/{name}", policy)
        await admin.apply(f"{group}/validatingadmissionpolicybindings/{name}", admission.binding(policy))


async def install_accounts(admin: Admin, namespace: str) -> None:
    """A service account for each program, a Role with exactly what it needs in `namespace`, and beyond it."""
    core = f"/api/v1/namespaces/{namespace}"
    everywhere = "/apis/rbac.authorization.k8s.io/v1"
    rbac = f"{everywhere}/namespaces/{namespace}"
    for account, rules in _RULES.items():
        meta = {"name": account, "namespace": namespace}
        await admin.apply(
            f"{core}/serviceaccounts/{account}",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        )
        await admin.apply(f"{rbac}/roles/{account}", _rbac("Role", meta, rules=list(rules)))
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        binding = _rbac("RoleBinding", meta, subjects=[subject], roleRef=reference)
        await admin.apply(f"{rbac}/rolebindings/{account}", binding)
        if account in _CLUSTER_RULES:
            whole = {"name": f"{namespace}-{account}"}
            role = _rbac("ClusterRole", whole, rules=list(_CLUSTER_RULES[account]))
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **whole}
            binding = _rbac("ClusterRoleBinding", whole, subjects=[subject], roleRef=reference)
            await admin.apply(f"{everywhere}/clusterroles/{whole['name']}", role)
            await admin.apply(f"{everywhere}/clusterrolebindings/{whole['name']}", binding)


def runtime(
    *,
    pods: int,
    slots: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    name: str = names.DEFAULT_RUNTIME,
) -> dict[str, Any]:
    """An AgentRuntime of fixed size whose pods run `command`."""
    container = {
        "name": "agent",
        "image": "local-process",
        "command": list(command),
        "env": [{"name": variable, "value": value} for variable, value in environment.items()],
    }
    spec = {"serviceAccountName": RUNTIME_ACCOUNT, "containers": [container]}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AgentRuntime",
        "metadata": {"name": name},
        "spec": {"replicas": pods, "sessionsPerPod": slots, "template": {"spec": spec}},
    }


def runtime_path(namespace: str, name: str = names.DEFAULT_RUNTIME) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/agentruntimes/{name}"


def _rbac(kind: str, metadata: Mapping[str, str], **fields: object) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **fields}


def _established(crd: Mapping[str, Any]) -> bool:
    # Just after its creation a definition has `conditions: null`.
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
