"""The cgroup under which all pods are: made before the kubelet asks for it, removed with all below it."""

from __future__ import annotations

import contextlib
from pathlib import Path

SYS_FS_CGROUP = Path("/sys/fs/cgroup")

# Those that a kubelet and runc make cgroups in, with v1.
_HIERARCHIES = (
    *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids", "systemd"),
    "unified",
)


def roots(sys_fs_cgroup: Path) -> list[Path]:
    """The top of each hierarchy: one with cgroup v2, one for each controller with v1."""
    if (sys_fs_cgroup / "cgroup.controllers").exists():
        return [sys_fs_cgroup]
    # Some are links to one that holds two, such as cpu to cpu,cpuacct.
    found = {(sys_fs_cgroup / name).resolve() for name in _HIERARCHIES if (sys_fs_cgroup / name).is_dir()}
    return sorted(found)


def make(sys_fs_cgroup: Path, name: str) -> None:
    """Make it everywhere, with every controller at work in it. Raises OSError where that is not allowed."""
    for root in roots(sys_fs_cgroup):
        if (root / "cgroup.controllers").exists():
            wanted = " ".join(f"+{controller}" for controller in (root / "cgroup.controllers").read_text().split())
            (root / "cgroup.subtree_control").write_text(wanted)
        (root / name).mkdir(exist_ok=True)
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            # With v1 a new cpuset is empty, and nothing can run in it.
            if (root / inherited).exists() and (root / "cpuset.cpu_exclusive").exists():
                (root / name / inherited).write_text((root / inherited).read_text())


def processes(sys_fs_cgroup: Path, name: str) -> set[int]:
    """Who is in it or anywhere below."""
    found: set[int] = set()
    for root in roots(sys_fs_cgroup):
        for file in (root / name).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in file.read_text().split())
    return found


def remove(sys_fs_cgroup: Path, name: str) -> bool:
    """Remove it everywhere with all below it; False when something in it is still in use."""
    for root in roots(sys_fs_cgroup):
        top = root / name
        folders = [path for path in top.rglob("*") if path.is_dir()]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()
    return not any((root / name).exists() for root in roots(sys_fs_cgroup))
