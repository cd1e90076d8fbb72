"""What a runtime pod may write, in the API server's own judgement: the policies that chart and tests install.

RBAC lets each runtime pod write every session of its namespace; these narrow that to the sessions that it holds, by the
uid of the pod that its token is bound to. Whoever is no runtime pod is RBAC's to judge, but for status, which nobody
writes but the operator and the pod that holds the session.
"""

from __future__ import annotations

from typing import Any

from greenroom_core.model import names

_POD_UID = "authentication.kubernetes.io/pod-uid"
_POD_NAME = "authentication.kubernetes.io/pod-name"


def _of_token(field: str) -> str:
    """CEL: what the caller's token is bound to; empty where it is bound to no pod."""
    extra = "request.userInfo.extra"
    return f"has({extra}) && '{field}' in {extra} ? {extra}['{field}'][0] : ''"


def _account(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


_KEPT = ("attempt", "epoch", "effective", "revision", "scheduledAt")
"""Fields of the status that the operator alone writes."""

_UNCHANGED = " && ".join(f"object.status.?{name} == oldObject.status.?{name}" for name in _KEPT)
_SAME_POD = "object.status.?podUID == oldObject.status.?podUID && object.status.?podName == oldObject.status.?podName"
_GIVEN_BACK = "!has(object.status.podUID) && !has(object.status.podName) && object.status.phase == 'Pending'"
_MAY_WRITE_STATUS = (
    f"authorizer.group('{names.GROUP}').resource('agentsessions').subresource('status')"
    ".namespace(request.namespace).check('patch').allowed()"
)
_MINE = (
    "oldObject.spec.?podName.orValue('') == variables.podName || "
    "(has(oldObject.status) && oldObject.status.?podUID.orValue('') == variables.podUID)"
)


def run_state(name: str, namespace: str, operator: str) -> dict[str, Any]:
    """Status is written by the operator (a service account's name) and the pod that holds the session."""
    return _policy(
        name,
        namespace,
        resources=["agentsessions/status"],
        operations=["UPDATE"],
        conditions={"not-the-operator": f"request.userInfo.username != '{_account(namespace, operator)}'"},
        validations={
            "variables.podUID != '' && has(oldObject.status) && "
            "oldObject.status.?podUID.orValue('') == variables.podUID": "only the pod that holds a session, and the "
            "operator, write its status",
            f"({_SAME_POD}) || ({_GIVEN_BACK})": "a pod may give its session back, and to nobody else",
            _UNCHANGED: f"only the operator writes {', '.join(_KEPT)}",
        },
    )


def own_sessions(name: str, namespace: str, operator: str, api: str) -> dict[str, Any]:
    """A runtime pod makes sessions for itself alone, and changes or deletes only those and the ones that it holds."""
    others = ", ".join(f"'{_account(namespace, account)}'" for account in (operator, api))
    return _policy(
        name,
        namespace,
        resources=["agentsessions"],
        operations=["CREATE", "UPDATE", "DELETE"],
        conditions={
            "a-pod": f"({_of_token(_POD_UID)}) != ''",
            "not-operator-or-api": f"!(request.userInfo.username in [{others}])",
            "a-runtime": _MAY_WRITE_STATUS,
        },
        validations={
            "request.operation != 'CREATE' || object.spec.?podName.orValue('') == variables.podName": "a runtime pod "
            "makes sessions for itself only: spec.podName must be its own name",
            f"request.operation == 'CREATE' || {_MINE}": "a runtime pod changes only "
            "the sessions that it holds or made",
        },
    )


def binding(policy: dict[str, Any]) -> dict[str, Any]:
    """What puts it into force."""
    name = policy["metadata"]["name"]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }


def _policy(
    name: str,
    namespace: str,
    *,
    resources: list[str],
    operations: list[str],
    conditions: dict[str, str],
    validations: dict[str, str],
) -> dict[str, Any]:
    rule = {
        "apiGroups": [names.GROUP],
        "apiVersions": ["*"],
        "resources": resources,
        "operations": operations,
        "scope": "Namespaced",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [rule],
            },
            "matchConditions": [{"name": key, "expression": text} for key, text in conditions.items()],
            "variables": [
                {"name": "podUID", "expression": _of_token(_POD_UID)},
                {"name": "podName", "expression": _of_token(_POD_NAME)},
            ],
            "validations": [
                {"expression": text, "message": message, "reason": "Forbidden"} for text, message in validations.items()
            ],
        },
    }
