"""Whether a node can be had on this machine, and the Debian packages that it is made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.cluster.model import ClusterUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.e2e.cluster.model import Say

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
"""Program and the Debian package that has it."""
CNI_PLUGINS = Path("/usr/lib/cni")
CNI_PACKAGE = "containernetworking-plugins"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_NEEDED_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27}
_APT_SECONDS = 900.0
_WAY_OUT = "give a cluster by --kubeconfig, or run where docker is at hand: then kind makes one"


def check() -> None:
    """Raises ClusterUnavailable, with the way out, where no node can be had."""
    if sys.platform != "linux":
        raise ClusterUnavailable(f"a node needs Linux, and this is {sys.platform}: {_WAY_OUT}")
    if os.geteuid() != 0:
        raise ClusterUnavailable(f"a node needs root, for namespaces, mounts and a network: {_WAY_OUT}")
    if missing := missing_capabilities(Path("/proc/self/status").read_text()):
        raise ClusterUnavailable(f"root has no {', '.join(missing)} here, as in most containers: {_WAY_OUT}")


def missing_capabilities(status: str) -> list[str]:
    """Those that a process with this ``/proc/self/status`` lacks."""
    (mask,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return [name for name, bit in _NEEDED_CAPABILITIES.items() if not mask >> bit & 1]


def missing_packages(which: Callable[[str], object], has_plugins: bool) -> list[str]:
    """Debian packages to install, each once."""
    found = {package for program, package in PACKAGES.items() if not which(program)}
    return sorted(found if has_plugins else {*found, CNI_PACKAGE})


def install_packages(say: Say) -> None:
    """Install what is missing, by apt-get. Raises ClusterUnavailable."""
    missing = _missing_here()
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise ClusterUnavailable(f"{', '.join(missing)} are not here, and no apt-get: install them, or {_WAY_OUT}")
    say(f"installing {' '.join(missing)}")
    install = ["install", "--yes", "--no-install-recommends", *missing]
    problem = _apt_get(install)
    if problem:  # a fresh machine has no lists of packages, or stale ones
        _apt_get(["update", "--quiet"])
        problem = _apt_get(install)
    if problem or (missing := _missing_here()):
        raise ClusterUnavailable(f"apt-get could not install {' '.join(missing)}: {problem}; or {_WAY_OUT}")


def _missing_here() -> list[str]:
    plugins = all((CNI_PLUGINS / name).exists() for name in ("ptp", "host-local", "loopback"))
    return missing_packages(lambda program: shutil.which(program, path=PATH), plugins)


def _apt_get(words: Sequence[str]) -> str:
    """What went wrong, in one line; empty when nothing did."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            ["apt-get", "--option=DPkg::Lock::Timeout=300", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {_APT_SECONDS:.0f} s"
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return lines[-1] if done.returncode else ""
