"""What the node's programs are told."""

from __future__ import annotations

import json
import tomllib
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from tests.e2e.cluster.node import configs, servers
from tests.e2e.cluster.node.addresses import Addresses

from greenroom_local.certificates import Certificates

ADDRESSES = Addresses(IPv4Network("10.80.0.0/16"))
FILES = Certificates(Path("/state/pki"))


def test_containerd_keeps_to_the_nodes_own_places() -> None:
    config = tomllib.loads(configs.containerd("pause:1", "overlayfs"))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert config["grpc"]["address"] == "/run/containerd/containerd.sock"
    assert config["root"].startswith("/run/greenroom/")
    assert cri["sandbox_image"] == "pause:1"
    assert cri["containerd"]["snapshotter"] == "overlayfs"
    assert cri["restrict_oom_score_adj"]
    assert cri["disable_apparmor"]


@pytest.mark.parametrize(("file_system", "wanted"), [("ext4", "overlayfs"), ("overlay", "native"), ("nfs4", "native")])
def test_layers_are_copied_where_overlays_do_not_stand(file_system: str, wanted: str) -> None:
    assert configs.snapshotter(file_system) == wanted


def test_pods_get_addresses_of_their_range_and_are_routed() -> None:
    (plugin,) = json.loads(configs.cni(ADDRESSES))["plugins"]
    assert plugin["type"] == "ptp"
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.80.1.0/24"}]]
    assert plugin["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}]


def test_the_kubelet_lets_in_nobody_without_being_asked_who_may() -> None:
    config = json.loads(configs.kubelet(ADDRESSES, FILES, Path("/state/resolv.conf"), "gr1"))
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["authorization"] == {"mode": "Webhook"}
    assert config["authentication"]["x509"] == {"clientCAFile": "/state/pki/ca.crt"}
    assert (config["address"], config["clusterDNS"]) == ("10.80.0.2", ["10.80.2.10"])
    assert config["cgroupRoot"] == "/gr1"
    assert config["tlsCertFile"] == "/state/pki/kubelet.crt"


def test_the_proxy_leaves_the_machines_connection_tracking_alone() -> None:
    config = json.loads(configs.kube_proxy(ADDRESSES, Path("/state/kubeconfig")))
    assert config["mode"] == "nftables"
    assert config["clusterCIDR"] == "10.80.1.0/24"
    assert config["conntrack"] == {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }


def test_the_kubelets_certificate_is_a_nodes_and_serves_at_its_address() -> None:
    kubelet, *others = servers.identities(ADDRESSES)
    assert (kubelet.common_name, kubelet.organisation) == ("system:node:greenroom-e2e", "system:nodes")
    assert kubelet.addresses == ("10.80.0.2",)
    assert {other.common_name for other in others} == {"system:kube-proxy", "system:kube-scheduler"}
    assert all(other.organisation is None for other in others)
