"""A control plane for this machine alone, and one that nodes join: words and certificates."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from cryptography import x509

from greenroom_core.clock import SystemClock
from greenroom_local.binaries import Binaries, pins
from greenroom_local.certificates import Certificates, Identity, make_certificates
from greenroom_local.servers import ALL_CONTROLLERS, Ports, Reach, api_server_words, controller_manager_words

FILES = Certificates(Path("/pki"))
BINARIES = Binaries(Path("/bin"), "cache", pins.KUBERNETES_VERSION, pins.ETCD_VERSION)


def words(reach: Reach) -> tuple[str, ...]:
    return api_server_words(BINARIES, FILES, Ports(1, 2, 3), reach)


def test_for_this_machine_alone_it_listens_on_the_loopback_address_and_is_no_service() -> None:
    found = words(Reach())
    assert {"--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"} <= set(found)
    assert not any("kubelet" in word or "NodeRestriction" in word for word in found)


def test_where_nodes_join_it_is_a_service_at_its_address_and_knows_the_kubelets_certificates() -> None:
    found = words(Reach("10.80.0.1", "10.80.2.0/24"))
    assert {
        "--bind-address=10.80.0.1",
        "--advertise-address=10.80.0.1",
        "--service-cluster-ip-range=10.80.2.0/24",
        "--endpoint-reconciler-type=lease",
        "--enable-admission-plugins=NodeRestriction",
        "--kubelet-certificate-authority=/pki/ca.crt",
    } <= set(found)
    assert "--endpoint-reconciler-type=none" not in found


def test_all_controllers_are_those_of_a_cluster() -> None:
    found = controller_manager_words(
        Path("/bin/kcm"), FILES, Path("/kubeconfig"), 4, node_grace_seconds=40, controllers=ALL_CONTROLLERS
    )
    assert {"--controllers=*", "--root-ca-file=/pki/ca.crt"} <= set(found)


def test_the_servers_certificate_names_where_pods_find_it_and_a_nodes_where_it_serves(tmp_path: Path) -> None:
    reach = Reach("10.80.0.1", "10.80.2.0/24")
    kubelet = Identity("kubelet", "system:node:one", "system:nodes", ("10.80.0.2",))
    client = Identity("kube-proxy", "system:kube-proxy")
    files = make_certificates(tmp_path, SystemClock().wall(), (reach.address, reach.service), (kubelet, client))
    assert {"127.0.0.1", "10.80.0.1", "10.80.2.1"} <= addresses(files.server)
    assert addresses(files.identity("kubelet")[0]) == {"10.80.0.2"}
    assert subject(files.identity("kubelet")[0]) == "O=system:nodes,CN=system:node:one"
    assert addresses(files.identity("kube-proxy")[0]) == set()
    assert subject(files.identity("kube-proxy")[0]) == "CN=system:kube-proxy"


def addresses(path: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    found: list[ipaddress.IPv4Address] = names.get_values_for_type(x509.IPAddress)
    return {str(address) for address in found}


def subject(path: Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()
