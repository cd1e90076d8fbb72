"""The configuration files of the node's programs. Values in, text out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.e2e.cluster.node import layout as paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cluster.node.addresses import Addresses

    from greenroom_local.certificates import Certificates

CLUSTER_DOMAIN = "cluster.local"


def containerd(pause_image: str, snapshotter: str) -> str:
    """For containerd 1.6 and 1.7, which read version 2 of their format.

    A machine that may not lower OOM scores fails each pod without `restrict_oom_score_adj`; without
    `disable_apparmor` a profile would be left in the kernel.
    """
    return f"""\
version = 2
root = "{paths.CONTAINERD_ROOT}"
state = "{paths.CONTAINERD_STATE}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{paths.CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{paths.CNI_CONFIG}"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
"""


def cni(addresses: Addresses) -> str:
    """Each pod on a cable of its own: what pods say to each other is routed, so services work among them too."""
    ranges = [[{"subnet": str(addresses.pods)}]]
    network = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": paths.CNI_DATA,
                    "ranges": ranges,
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    return json.dumps(network, indent=2)


def kubelet(addresses: Addresses, files: Certificates, resolv_conf: Path, cgroup: str) -> str:
    """JSON, which is YAML. What a machine without systemd, with swap or with old cgroups needs is on.

    Images are never collected: there is no registry to take them from again.
    """
    certificate, key = files.identity("kubelet")
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(addresses.node),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(files.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [str(addresses.dns)],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(resolv_conf),
        "containerRuntimeEndpoint": f"unix://{paths.CONTAINERD_SOCKET}",
        "volumePluginDir": paths.VOLUME_PLUGINS,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
    }
    return json.dumps(config, indent=2)


def kube_proxy(addresses: Addresses, kubeconfig: Path) -> str:
    """nftables; the machine's own connection tracking limits stay as they are."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": str(addresses.pods),
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }
    return json.dumps(config, indent=2)


def kube_scheduler(kubeconfig: Path) -> str:
    """One scheduler, so there is nobody to elect."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "leaderElection": {"leaderElect": False},
    }
    return json.dumps(config, indent=2)


def snapshotter(file_system: str) -> str:
    """How containerd stacks the layers of images: overlays do not stand on every file system."""
    return "native" if file_system in ("overlay", "zfs", "ecryptfs", "nfs", "nfs4", "9p", "fuse") else "overlayfs"
