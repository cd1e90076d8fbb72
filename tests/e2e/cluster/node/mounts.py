"""What the node sees of this machine's files: all, but folders of its own over those that would be shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cluster.node import layout as paths

if TYPE_CHECKING:
    from tests.e2e.cluster.node.layout import Layout

# The kubelet sets these for the whole machine where they differ; in the node they read as it wants them.
TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_UPPER, _WORK = "/run/greenroom/var-lib", "/run/greenroom/work"


def commands(layout: Layout) -> tuple[tuple[str, ...], ...]:
    """In order, and in the new namespaces; later ones see what earlier ones have done."""
    bound = (
        (layout.containerd, paths.CONTAINERD_ROOT),
        (layout.kubelet, paths.KUBELET_ROOT),
        (layout.config / "cni", paths.CNI_CONFIG),
        (layout.pod_logs, "/var/log"),
    )
    overlay = f"lowerdir=/var/lib,upperdir={_UPPER},workdir={_WORK}"
    return (
        # What is mounted in the node is seen all over it; that nothing reaches this machine was settled before.
        ("mount", "--make-rshared", "/"),
        ("mount", "-t", "proc", "proc", "/proc"),
        ("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"),
        ("mkdir", "-p", *(inner for _, inner in bound), paths.VOLUME_PLUGINS, _UPPER, _WORK),
        *(("mount", "--bind", str(outer), inner) for outer, inner in bound),
        ("mount", "-t", "overlay", "overlay", "-o", overlay, "/var/lib"),
        *(command for name, value in TUNABLES.items() for command in _tunable(name, value)),
    )


def _tunable(name: str, value: str) -> tuple[tuple[str, ...], ...]:
    file = f"{paths.TUNABLES}/{name.replace('/', '.')}"
    return (
        ("sh", "-c", f"mkdir -p {paths.TUNABLES} && echo {value} > {file}"),
        ("mount", "--bind", file, f"/proc/sys/{name}"),
    )
