"""The programs of the node and the scheduler: the identities under which they speak, their files, their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cluster.node import configs
from tests.e2e.cluster.node.layout import KUBELET_ROOT, NODE_NAME

from greenroom_local.certificates import Identity
from greenroom_local.kubeconfig import write_identity_kubeconfig
from greenroom_local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cluster.node.addresses import Addresses
    from tests.e2e.cluster.node.crew import Crew
    from tests.e2e.cluster.node.space import Space

    from greenroom_local.binaries import ClusterPrograms
    from greenroom_local.certificates import Certificates
    from greenroom_local.control_plane import ControlPlane

KUBELET, KUBE_PROXY, KUBE_SCHEDULER = "kubelet", "kube-proxy", "kube-scheduler"


def identities(addresses: Addresses) -> tuple[Identity, ...]:
    """Under these names Kubernetes' own roles let them do what they must, and the node authorizer no more."""
    return (
        Identity(KUBELET, f"system:node:{NODE_NAME}", "system:nodes", (str(addresses.node),)),
        Identity(KUBE_PROXY, "system:kube-proxy"),
        Identity(KUBE_SCHEDULER, "system:kube-scheduler"),
    )


def start(crew: Crew, space: Space, plane: ControlPlane, programs: ClusterPrograms, addresses: Addresses) -> None:
    """The node's two in their `space`, the scheduler beside the control plane."""
    config = space.layout.config
    for identity in identities(addresses):
        write_identity_kubeconfig(_kubeconfig(config, identity.name), plane.server_url, plane.files, identity.name)
    _write_files(config, plane.files, addresses, space.layout.name)
    crew.start(space.child(KUBELET, kubelet_words(programs, addresses, config)))
    crew.start(space.child(KUBE_PROXY, kube_proxy_words(programs, config)))
    (port,) = free_ports(1)
    crew.start(plane.child(KUBE_SCHEDULER, kube_scheduler_words(programs, plane.files, config, port)))


def _write_files(config: Path, files: Certificates, addresses: Addresses, cgroup: str) -> None:
    # Empty: the machine's own would send pods to servers that they cannot reach.
    resolv_conf = config / "resolv.conf"
    resolv_conf.write_text("")
    (config / "cni" / "10-pods.conflist").write_text(configs.cni(addresses))
    _file(config, KUBELET).write_text(configs.kubelet(addresses, files, resolv_conf, cgroup))
    _file(config, KUBE_PROXY).write_text(configs.kube_proxy(addresses, _kubeconfig(config, KUBE_PROXY)))
    _file(config, KUBE_SCHEDULER).write_text(configs.kube_scheduler(_kubeconfig(config, KUBE_SCHEDULER)))


def kubelet_words(programs: ClusterPrograms, addresses: Addresses, config: Path) -> tuple[str, ...]:
    return (
        str(programs.kubelet),
        f"--config={_file(config, KUBELET)}",
        f"--kubeconfig={_kubeconfig(config, KUBELET)}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={addresses.node}",
        f"--root-dir={KUBELET_ROOT}",
    )


def kube_proxy_words(programs: ClusterPrograms, config: Path) -> tuple[str, ...]:
    return (str(programs.kube_proxy), f"--config={_file(config, KUBE_PROXY)}", f"--hostname-override={NODE_NAME}")


def kube_scheduler_words(programs: ClusterPrograms, files: Certificates, config: Path, port: int) -> tuple[str, ...]:
    kubeconfig = _kubeconfig(config, KUBE_SCHEDULER)
    return (
        str(programs.kube_scheduler),
        f"--config={_file(config, KUBE_SCHEDULER)}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={files.server}",
        f"--tls-private-key-file={files.server_key}",
    )


def _file(config: Path, program: str) -> Path:
    return config / f"{program}.yaml"


def _kubeconfig(config: Path, program: str) -> Path:
    return config / f"{program}.kubeconfig"
