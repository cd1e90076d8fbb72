"""The command lines of the servers of a control plane. Values in, words out; nothing is started here."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from greenroom_local.binaries import Binaries
    from greenroom_local.certificates import Certificates

SERVICE_ADDRESSES = "10.0.0.0/24"
ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers of one control plane listen: etcd on the loopback address, the API server where it is told."""

    etcd: int
    etcd_peer: int
    api_server: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The address of the API server and the range of services' addresses.

    On the loopback address it is reached by nothing but this machine's processes; at any other there are nodes and
    pods that find it as the service `kubernetes`.
    """

    address: str = LOOPBACK
    services: str = SERVICE_ADDRESSES

    @property
    def has_nodes(self) -> bool:
        return self.address != LOOPBACK

    @property
    def service(self) -> str:
        """The address of the service `kubernetes`: the first of the range."""
        return str(ipaddress.ip_network(self.services)[1])


def etcd_words(
    binaries: Binaries, files: Certificates, ports: Ports, data: Path, *, unsafe_no_fsync: bool
) -> tuple[str, ...]:
    """etcd with one member; clients need a certificate, so that other users of the machine stay out."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    words = (
        str(binaries.etcd),
        "--name=local",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={files.ca}",
        f"--cert-file={files.server}",
        f"--key-file={files.server_key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={files.ca}",
        f"--peer-cert-file={files.server}",
        f"--peer-key-file={files.server_key}",
        "--log-level=warn",
    )
    return (*words, "--unsafe-no-fsync") if unsafe_no_fsync else words


def api_server_words(binaries: Binaries, files: Certificates, ports: Ports, reach: Reach) -> tuple[str, ...]:
    """kube-apiserver with RBAC and service-account tokens as in a cluster."""
    words = (
        str(binaries.kube_apiserver),
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={files.ca}",
        f"--etcd-certfile={files.server}",
        f"--etcd-keyfile={files.server_key}",
        f"--bind-address={reach.address}",
        f"--secure-port={ports.api_server}",
        f"--client-ca-file={files.ca}",
        f"--tls-cert-file={files.server}",
        f"--tls-private-key-file={files.server_key}",
        f"--service-account-key-file={files.service_account_key}",
        f"--service-account-signing-key-file={files.service_account_key}",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={reach.services}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--profiling=false",
    )
    return (*words, *(_for_nodes(files, reach) if reach.has_nodes else ("--endpoint-reconciler-type=none",)))


def _for_nodes(files: Certificates, reach: Reach) -> tuple[str, ...]:
    return (
        f"--advertise-address={reach.address}",
        "--endpoint-reconciler-type=lease",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={files.ca}",
        f"--kubelet-client-certificate={files.admin}",
        f"--kubelet-client-key={files.admin_key}",
        "--kubelet-preferred-address-types=InternalIP",
    )


CONTROLLERS = (
    "disruption-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
    "taint-eviction-controller",
)
"""Those that meet Greenroom's objects."""
ALL_CONTROLLERS = ("*",)
"""As in a cluster, for a control plane with real nodes."""


def controller_manager_words(
    program: Path,
    files: Certificates,
    kubeconfig: Path,
    port: int,
    *,
    node_grace_seconds: int,
    controllers: Sequence[str] = CONTROLLERS,
) -> tuple[str, ...]:
    """kube-controller-manager with each controller under its own service account, as in a cluster."""
    return (
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={files.server}",
        f"--tls-private-key-file={files.server_key}",
        f"--controllers={','.join(controllers)}",
        f"--root-ca-file={files.ca}",
        f"--service-account-private-key-file={files.service_account_key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--node-monitor-period=1s",
        f"--node-monitor-grace-period={node_grace_seconds}s",
        "--profiling=false",
    )
