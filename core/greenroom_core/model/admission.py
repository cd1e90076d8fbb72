"""What a runtime pod may write, in the API server's own judgement: the policies that chart and tests install.

RBAC lets each runtime pod write the status of every session of its namespace, and create any; these narrow that to the
sessions that it holds, or has started itself, by the uid of the pod that its token is bound to. Nobody else than the
operator and that pod writes status, administrators included.
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
_HOLDS = "has(oldObject.status) && oldObject.status.?podUID.orValue('') == variables.podUID"
_STARTED_BY = f"metadata.?labels[?'{names.STARTED_BY}'].orValue('') == variables.podUID"
_WITHDRAWS = (
    f"oldObject.{_STARTED_BY} && has(oldObject.status) && !has(oldObject.status.podUID) && "
    "oldObject.status.phase == 'Pending' && object.status.phase == 'Closed' && "
    "object.status.?reason.orValue('') == 'CloseRequested'"
)
"""It ends what it has started itself, while nobody holds it."""


def run_state(name: str, namespace: str | None, operator: str, operator_namespace: str | None = None) -> dict[str, Any]:
    """Status is written by the operator (a service account's name, of the same namespace unless another is given) and
    the pod that holds the session. `namespace` None: in all of them."""
    home = operator_namespace or namespace
    assert home is not None, "the operator is an account of some namespace"
    return _policy(
        name,
        namespace,
        resources=["agentsessions/status"],
        operations=["UPDATE"],
        conditions={"not-the-operator": f"request.userInfo.username != '{_account(home, operator)}'"},
        validations={
            f"variables.podUID != '' && (({_HOLDS}) || ({_WITHDRAWS}))": "only the pod that holds a session, and the "
            "operator, write its status",
            f"({_SAME_POD}) || ({_GIVEN_BACK})": "a pod may give its session back, and to nobody else",
            _UNCHANGED: f"only the operator writes {', '.join(_KEPT)}",
        },
    )


def own_sessions(name: str, namespace: str | None) -> dict[str, Any]:
    """A runtime pod, which is who may write status, makes sessions for itself alone. `namespace` None: everywhere."""
    return _policy(
        name,
        namespace,
        resources=["agentsessions"],
        operations=["CREATE"],
        conditions={"a-pod": f"({_of_token(_POD_UID)}) != ''", "a-runtime": _MAY_WRITE_STATUS},
        validations={
            "object.spec.?podName.orValue('') == variables.podName": "a runtime pod makes sessions for itself only: "
            "spec.podName must be its own name",
            f"object.{_STARTED_BY}": f"a runtime pod makes sessions for itself only: the label {names.STARTED_BY} must "
            "be its own uid",
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
    namespace: str | None,
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
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}} if namespace else {},
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
