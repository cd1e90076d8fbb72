"""What must be gone when a node has ended, and may be there when one was killed together with its keeper.

The kernel does most of it: with the node's first process go all its processes, mounts and networks. What it cannot
know of is a cgroup and the files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import ClusterFailed
from tests.e2e.cluster.node import cgroups
from tests.e2e.cluster.node.space import identity

if TYPE_CHECKING:
    from tests.e2e.cluster.node.layout import Layout

    from greenroom_core.clock import Clock

_GONE_SECONDS = 60.0
_POLL_SECONDS = 0.05


async def clear(layout: Layout, clock: Clock) -> None:
    """End what is left of a node of this folder and remove what it had; logs stay. Raises ClusterFailed."""
    end_holder(layout.holder)
    try:
        async with clock.timeout(_GONE_SECONDS):
            while not cgroups.remove(cgroups.SYS_FS_CGROUP, layout.name) or _link(layout).exists():
                if not cgroups.processes(cgroups.SYS_FS_CGROUP, layout.name):
                    await _delete_link(layout)
                await clock.sleep(_POLL_SECONDS)
    except TimeoutError:
        busy = sorted(cgroups.processes(cgroups.SYS_FS_CGROUP, layout.name))
        raise ClusterFailed(f"the cgroup {layout.name} is still in use by the processes {busy}") from None
    clear_files(layout)


def end_holder(holder: Path) -> bool:
    """Kill the process that a file names, if it still is the one; says whether it was."""
    try:
        said = holder.read_text()
        process = int(said.split()[0])
        if identity(process) != said:
            return False
        os.kill(process, signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return False
    return True


def clear_files(layout: Layout) -> None:
    """Everything but the logs, which are of use when all else is gone."""
    layout.holder.unlink(missing_ok=True)
    for folder in (layout.node, layout.plane / "etcd", layout.plane / "pki"):
        shutil.rmtree(folder, ignore_errors=True)
    for kubeconfig in layout.plane.glob("*kubeconfig"):
        kubeconfig.unlink()


def _link(layout: Layout) -> Path:
    return Path("/sys/class/net", layout.name)


async def _delete_link(layout: Layout) -> None:
    # The other end's namespace takes it along, unless something still holds that.
    if _link(layout).exists():
        with contextlib.suppress(CommandFailed):
            await run(("ip", "link", "delete", layout.name))
