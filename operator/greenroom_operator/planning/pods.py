"""Builds the runtime pods of a fleet from its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom_core.model import names
from greenroom_operator.planning.template import check

if TYPE_CHECKING:
    from greenroom_operator.planning.values import Fleet

GRACE_AFTER_DRAIN_SECONDS = 30
_NAME_LENGTH = 63

Body = dict[str, Any]


def pod_name(fleet: Fleet, suffix: str) -> str:
    """`<runtime>-<revision>-<suffix>`, cut at the front so that it stays a DNS label."""
    tail = f"-{fleet.revision[:6]}-{suffix}"
    return fleet.runtime.metadata.name[: _NAME_LENGTH - len(tail)].rstrip("-.") + tail


def pod_body(fleet: Fleet, name: str) -> Body:
    """The Pod to create: the template, with what makes it a runtime pod.

    Raises ValueError, naming the field, for a template that cannot be one.
    """
    runtime, spec = fleet.runtime, fleet.runtime.spec
    template = spec.template
    check(template)
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": runtime.metadata.namespace,
            "labels": {
                **_others(metadata.get("labels")),
                names.RUNTIME_LABEL: runtime.metadata.name,
                names.REVISION_LABEL: fleet.revision,
            },
            "annotations": {
                **_others(metadata.get("annotations")),
                names.SLOTS_ANNOTATION: str(spec.sessions_per_pod),
                names.SAFE_TO_EVICT: "false",
            },
            "ownerReferences": [_owner(fleet)],
        },
        "spec": _pod_spec(fleet),
    }


def _others(given: dict[str, str] | None) -> dict[str, str]:
    """What the template gives of labels or annotations, but for ours: a pod that is cordoned from the first, say,
    would be replaced without end."""
    return {name: value for name, value in (given or {}).items() if not name.startswith(f"{names.GROUP}/")}


def _owner(fleet: Fleet) -> Body:
    meta = fleet.runtime.metadata
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUNTIME_KIND,
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
    }


def _pod_spec(fleet: Fleet) -> Body:
    template_spec = fleet.runtime.spec.template["spec"]
    first, *others = template_spec["containers"]
    return {
        # A Service named greenroom would otherwise set GREENROOM_PORT=tcp://… in every pod beside it.
        "enableServiceLinks": False,
        **template_spec,
        # One pod is one process life: a dead process is a failed pod, which the operator replaces.
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": fleet.runtime.spec.drain_timeout_seconds + GRACE_AFTER_DRAIN_SECONDS,
        "containers": [_launcher_container(fleet, first), *others],
    }


def _launcher_container(fleet: Fleet, container: Body) -> Body:
    own = {variable["name"] for variable in container.get("env") or ()}
    env = [variable for variable in _environment(fleet) if variable["name"] not in own]
    ports = list(container.get("ports") or ())
    if not any(port.get("name") == names.PORT_NAME for port in ports):
        ports.append({"name": names.PORT_NAME, "containerPort": names.DEFAULT_PORT})
    return {
        "readinessProbe": _probe("/ready", period_seconds=2, failures=2),
        # A process that does not answer for a minute holds no call worth a whole drain.
        "livenessProbe": {
            **_probe("/health", period_seconds=10, failures=6),
            "terminationGracePeriodSeconds": GRACE_AFTER_DRAIN_SECONDS,
        },
        **container,
        "env": [*env, *(container.get("env") or ())],
        "ports": ports,
    }


def _environment(fleet: Fleet) -> list[Body]:
    """A pod may not read its AgentRuntime. What it is told of it here is as of the pod's creation; the operator itself
    goes by what holds now."""
    spec = fleet.runtime.spec
    told = {
        "START_DEADLINE_SECONDS": spec.session_defaults.limits.start_deadline_seconds,
        "MAX_CONCURRENT_SESSIONS": spec.limits.max_concurrent_sessions,
        "MAX_SESSIONS_PER_CALL": spec.limits.max_sessions_per_call,
    }
    return [
        _from_field("GREENROOM_NAMESPACE", "metadata.namespace"),
        _from_field("GREENROOM_POD_NAME", "metadata.name"),
        _from_field("GREENROOM_POD_UID", "metadata.uid"),
        {"name": "GREENROOM_RUNTIME", "value": fleet.runtime.metadata.name},
        {"name": "GREENROOM_SLOTS", "value": str(spec.sessions_per_pod)},
        {"name": "GREENROOM_DRAIN_TIMEOUT_SECONDS", "value": str(spec.drain_timeout_seconds)},
        *({"name": f"GREENROOM_{name}", "value": str(value)} for name, value in told.items() if value is not None),
    ]


def _from_field(name: str, path: str) -> Body:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _probe(path: str, *, period_seconds: int, failures: int) -> Body:
    return {
        "httpGet": {"path": path, "port": names.PORT_NAME},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
