"""What becomes of contour's own manifests, and what DNS is made of."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster.node import dns, ingress
from tests.e2e.cluster.node.addresses import Addresses
from tests.e2e.cluster.node.archives import INGRESS
from tests.e2e.cluster.node.workloads import node_ready, rolled_out

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = Addresses(IPv4Network("10.80.0.0/16"))

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: contour}
spec:
  replicas: 2
  template:
    spec:
      containers: [{name: contour, image: "ghcr.io/projectcontour/contour:v1"}]
---
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: envoy}
spec:
  template:
    spec:
      initContainers: [{name: first, image: "ghcr.io/projectcontour/contour:v1"}]
      containers:
      - name: envoy
        image: docker.io/envoyproxy/envoy:v1
        ports: [{containerPort: 8080, hostPort: 80}]
"""


def test_contours_objects_run_our_image_and_leave_the_nodes_ports_to_the_service(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    deployment, daemons, ingress_class = ingress.objects(tmp_path)
    assert deployment["spec"]["replicas"] == 1
    pod = daemons["spec"]["template"]["spec"]
    assert {container["image"] for container in (*pod["initContainers"], *pod["containers"])} == {INGRESS}
    assert pod["containers"][0]["ports"] == [{"containerPort": 8080}]
    assert ingress_class["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "true"
    assert ingress_class["metadata"]["name"] == ingress.CLASS


def test_the_service_is_answered_at_the_nodes_address() -> None:
    assert ingress.balanced(ADDRESSES) == {"status": {"loadBalancer": {"ingress": [{"ip": "10.80.0.2"}]}}}


def test_dns_answers_at_the_address_that_the_kubelet_tells_pods() -> None:
    (service,) = (found for found in dns.objects(ADDRESSES) if found["kind"] == "Service")
    assert service["spec"]["clusterIP"] == str(ADDRESSES.dns)
    assert json.loads(json.dumps(service)) == service


@pytest.mark.parametrize(
    ("workload", "wanted"),
    [
        ({}, False),
        ({"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": {}}, False),
        (
            _ready := {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": {"observedGeneration": 1}},
            False,
        ),
        ({**_ready, "status": {"observedGeneration": 1, "availableReplicas": 1}}, True),
        ({**_ready, "metadata": {"generation": 2}, "status": {"observedGeneration": 1, "availableReplicas": 1}}, False),
        ({**_ready, "status": {"observedGeneration": 1, "desiredNumberScheduled": 0}}, False),
        ({**_ready, "status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "numberAvailable": 1}}, True),
    ],
)
def test_a_workload_has_come_when_all_pods_of_its_present_spec_are_available(
    workload: dict[str, object], wanted: bool
) -> None:
    assert rolled_out(workload) is wanted


def test_a_node_that_says_nothing_is_not_ready() -> None:
    assert not node_ready({})
    assert not node_ready({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    assert node_ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
