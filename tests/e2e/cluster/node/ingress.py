"""The ingress controller: contour's own example manifests with our image in them, and its IngressClass as the default.

Its service is of the type LoadBalancer. There is nobody in this cluster who gives such a service an address: that is
done here, as a cloud would do it, with the node's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from tests.e2e.cluster.node.archives import INGRESS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cluster.node.addresses import Addresses

NAMESPACE = "projectcontour"
CLASS = "contour"
SERVICE_STATUS = f"/api/v1/namespaces/{NAMESPACE}/services/envoy/status"

_PUBLISHED_IMAGES = ("ghcr.io/projectcontour/contour:", "docker.io/envoyproxy/envoy:")


def objects(manifests: Path) -> tuple[dict[str, Any], ...]:
    """What ``kubectl apply`` takes, in the order of the files."""
    found = [
        document
        for file in sorted(manifests.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]
    return (*map(_ours, found), ingress_class())


def ingress_class() -> dict[str, Any]:
    """Contour's class, taken by each Ingress that names none."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": CLASS, "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "projectcontour.io/ingress-controller"},
    }


def balanced(addresses: Addresses) -> dict[str, Any]:
    """The status of the service, whose ports are then answered at the node's address."""
    return {"status": {"loadBalancer": {"ingress": [{"ip": str(addresses.node)}]}}}


def _ours(document: dict[str, Any]) -> dict[str, Any]:
    if document["kind"] == "Deployment":
        document["spec"]["replicas"] = 1  # two on one node would take more and give nothing
    pod = document.get("spec", {}).get("template", {}).get("spec", {})
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        if container["image"].startswith(_PUBLISHED_IMAGES):
            container["image"] = INGRESS
        # Without any it gets nothing beside pods that start, and is taken for dead.
        container.setdefault("resources", {"requests": {"cpu": "200m"}})
        for port in container.get("ports", ()):
            # The service has the node's ports; giving them to the pod as well would take a plugin more.
            port.pop("hostPort", None)
    return document
