"""The /scale subresource of a custom resource with `.spec.replicas`."""

from __future__ import annotations

from tests.fakes.apiserver.answers import Failure, Object

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(body: Object) -> Object:
    """The Scale that stands for `body`. Raises Failure where it has no replicas."""
    if "replicas" not in body["spec"]:
        message = 'the spec replicas field ".spec.replicas" does not exist'
        causes = {"causes": [{"message": message}]}
        raise Failure(500, "InternalError", f"Internal error occurred: {message}", causes)
    return scaled(body)


def scaled(body: Object) -> Object:
    """The same, without asking whether there are replicas: what a patch is applied to."""
    status = body.get("status", {})
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: body["metadata"][key] for key in _KEPT},
        "spec": {"replicas": body["spec"]["replicas"]} if "replicas" in body["spec"] else {},
        "status": {"replicas": status.get("pods", 0)}
        | ({"selector": status["selector"]} if status.get("selector") else {}),
    }
