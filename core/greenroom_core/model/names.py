"""Every name that programs share through the API server: the group, labels, annotations, the finalizer."""

from __future__ import annotations

import uuid

GROUP = "greenroom.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
RUNTIME_KIND = "AgentRuntime"

CLOSE_REQUESTED = f"{GROUP}/close-requested"
"""Annotation on a session: any non-empty value asks for its end. Written by clients, never taken back."""

METRICS_REQUESTED = f"{GROUP}/metrics-requested"
"""Annotation on a session: a new non-empty value asks its pod to write fresh metrics."""

LEAVE_CALL = f"{GROUP}/leave-call"
"""Finalizer: a deleted session stays until its agent has left the call. Only the operator takes it off."""

DRAIN = f"{GROUP}/drain"
"""Finalizer: a deleted AgentRuntime stays until its last pod is gone. Only the operator puts it on and takes it off."""

STARTED_BY = f"{GROUP}/started-by"
"""Label on a session that a launcher started in its own pod: that pod's uid."""

RUNTIME_LABEL = f"{GROUP}/runtime"
"""Label on a runtime pod: the AgentRuntime that it belongs to."""

REVISION_LABEL = f"{GROUP}/revision"
"""Label on a runtime pod: the hash of the template that it was made from."""

BUSY_LABEL = f"{GROUP}/busy"
"""Label on a runtime pod, `true` while it may hold sessions: what the PodDisruptionBudget selects."""

CRD_REVISION = f"{GROUP}/crd-revision"
"""Annotation on our CRDs: grows with every change of theirs, so that the chart knows an older one."""

SLOTS_ANNOTATION = f"{GROUP}/slots"
"""Annotation on a runtime pod: how many sessions it takes, fixed at its creation."""

CORDONED = f"{GROUP}/cordoned"
"""Annotation on a runtime pod: any non-empty value keeps new sessions away; the pod leaves when its last one ends."""

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"

PORT_NAME = "greenroom"
DEFAULT_PORT = 8080
DEFAULT_RUNTIME = "default"

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, GROUP)


def idempotent_session_name(namespace: str, caller: str, path: str, key: str) -> str:
    """The session name that an Idempotency-Key stands for: the same four values give the same name."""
    return str(uuid.uuid5(_NAMESPACE, "\x00".join((namespace, caller, path, key))))
