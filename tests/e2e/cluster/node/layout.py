"""Where the node keeps its things: on this machine's disk, and as the node's own processes see them.

The node has mounts of its own. Its paths are short, since sockets' paths must be, and hide nothing that the
control plane's files or the programs need.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "greenroom-e2e"

# In the node's own /run.
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CONTAINERD_STATE = "/run/containerd"
CONTAINERD_ROOT = "/run/greenroom/containerd"
KUBELET_ROOT = "/run/greenroom/kubelet"
VOLUME_PLUGINS = "/run/greenroom/volume-plugins"
CNI_CONFIG = "/run/greenroom/cni"
CNI_DATA = "/run/greenroom/addresses"
TUNABLES = "/run/greenroom/tunables"


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything below one folder of this machine, which is an absolute path."""

    directory: Path

    @property
    def name(self) -> str:
        """Names the machine's end of the cable and the cgroup, so that two checkouts do not meet."""
        return "gr" + hashlib.sha256(str(self.directory).encode()).hexdigest()[:10]

    @property
    def plane(self) -> Path:
        return self.directory / "plane"

    @property
    def node(self) -> Path:
        return self.directory / "node"

    @property
    def config(self) -> Path:
        return self.node / "config"

    @property
    def containerd(self) -> Path:
        return self.node / "containerd"

    @property
    def kubelet(self) -> Path:
        return self.node / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """Stays after the end, for whoever looks for a cause, like :attr:`logs`."""
        return self.directory / "pod-logs"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def holder(self) -> Path:
        """Names the process that holds the node, for whoever cleans up after a crash."""
        return self.directory / "holder"

    def make(self) -> None:
        """The folders, with no logs of an earlier node in them."""
        for logs in (self.pod_logs, self.logs):
            shutil.rmtree(logs, ignore_errors=True)
        for folder in (self.config / "cni", self.containerd, self.kubelet, self.pod_logs, self.logs):
            folder.mkdir(parents=True, mode=0o755, exist_ok=True)
