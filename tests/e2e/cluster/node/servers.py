"""The command lines of the node's programs and of the scheduler, and the identities under which they speak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cluster.node.layout import KUBELET_ROOT, NODE_NAME

from greenroom_local.certificates import Identity

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cluster.node.addresses import Addresses

    from greenroom_local.binaries import ClusterPrograms
    from greenroom_local.certificates import Certificates


def identities(addresses: Addresses) -> tuple[Identity, ...]:
    """Under these names Kubernetes' own roles let them do what they must, and the node authorizer no more."""
    return (
        Identity("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (str(addresses.node),)),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kube-scheduler", "system:kube-scheduler"),
    )


def containerd_words(config: Path) -> tuple[str, ...]:
    return ("containerd", f"--config={config}")


def kubelet_words(programs: ClusterPrograms, addresses: Addresses, config: Path, kubeconfig: Path) -> tuple[str, ...]:
    return (
        str(programs.kubelet),
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={addresses.node}",
        f"--root-dir={KUBELET_ROOT}",
    )


def kube_proxy_words(programs: ClusterPrograms, config: Path) -> tuple[str, ...]:
    return (str(programs.kube_proxy), f"--config={config}", f"--hostname-override={NODE_NAME}")


def kube_scheduler_words(
    programs: ClusterPrograms, files: Certificates, config: Path, kubeconfig: Path, port: int
) -> tuple[str, ...]:
    return (
        str(programs.kube_scheduler),
        f"--config={config}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={files.server}",
        f"--tls-private-key-file={files.server_key}",
    )
