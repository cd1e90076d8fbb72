"""The cluster's DNS, in the usual shape. It knows the cluster's names and no others: pods reach nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.cluster.node.archives import DNS
from tests.e2e.cluster.node.configs import CLUSTER_DOMAIN

if TYPE_CHECKING:
    from tests.e2e.cluster.node.addresses import Addresses

NAMESPACE = "kube-system"
NAME = "coredns"

_COREFILE = f"""\
{CLUSTER_DOMAIN}:5353 in-addr.arpa:5353 ip6.arpa:5353 {{
    errors
    health :8080
    ready :8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
    }}
    cache 5
}}
.:5353 {{
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
_LABELS = {"k8s-app": "kube-dns"}


def objects(addresses: Addresses) -> tuple[dict[str, Any], ...]:
    """What ``kubectl apply`` takes."""
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named()},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                _reads("", ["endpoints", "services", "pods", "namespaces"]),
                _reads("discovery.k8s.io", ["endpointslices"]),
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(), "data": {"Corefile": _COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _named(),
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**_named(), "name": "kube-dns", "labels": _LABELS},
            "spec": {
                "selector": _LABELS,
                "clusterIP": str(addresses.dns),
                "ports": [
                    {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "targetPort": 5353, "protocol": "TCP"},
                ],
            },
        },
    )


def _pod() -> dict[str, Any]:
    return {
        "serviceAccountName": NAME,
        "containers": [
            {
                "name": NAME,
                "image": DNS,
                "imagePullPolicy": "Never",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }


def _named() -> dict[str, Any]:
    return {"name": NAME, "namespace": NAMESPACE}


def _reads(group: str, resources: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]}
