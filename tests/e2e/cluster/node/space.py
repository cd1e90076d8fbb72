"""The node's own process, mount and network namespaces, and a cable to this machine.

Everything that the node starts, mounts and configures is in them, and goes with them when their first process ends:
that is the whole of the cleaning up. That process dies with us, whatever becomes of us.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import ClusterUnavailable
from tests.e2e.cluster.node import cable, cgroups, mounts
from tests.e2e.cluster.node.machine import PATH

from greenroom_local.children import ChildProcess, Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.e2e.cluster.node.addresses import Addresses
    from tests.e2e.cluster.node.layout import Layout

    from greenroom_core.clock import Clock

_START_SECONDS = 20.0
_POLL_SECONDS = 0.02
_UNSHARE = (
    *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"),
    *(sys.executable, "-I", "-S", str(Path(__file__).with_name("holder.py"))),
)
_ENVIRONMENT = {"PATH": PATH, "HOME": "/root"}


@dataclass(frozen=True, slots=True)
class Space:
    """The namespaces of the process `first`, which is the child of `process`."""

    process: ChildProcess
    first: int
    layout: Layout
    clock: Clock

    def words(self, *words: str) -> tuple[str, ...]:
        """The words with which something is run inside."""
        return ("nsenter", f"--target={self.first}", "--mount", "--net", "--pid", "--", *words)

    def child(self, name: str, words: Sequence[str]) -> ChildProcess:
        """A server inside, not yet started."""
        log = self.layout.logs / f"{name}.log"
        return ChildProcess(Command(name, self.words(*words), _ENVIRONMENT, log), self.clock)

    async def run(self, *words: str, seconds: float = 120.0) -> str:
        """Run something inside to its end. Raises CommandFailed."""
        return await run(self.words(*words), seconds=seconds)


@asynccontextmanager
async def opened(layout: Layout, addresses: Addresses, clock: Clock) -> AsyncIterator[Space]:
    """Namespaces with cgroups, mounts and network ready for the node's programs. Raises ClusterUnavailable."""
    process = ChildProcess(Command("node", _UNSHARE, _ENVIRONMENT, layout.logs / "node.log"), clock)
    process.start()
    try:
        yield await _set_up(process, layout, addresses, clock)
    finally:
        await process.kill()


async def _set_up(process: ChildProcess, layout: Layout, addresses: Addresses, clock: Clock) -> Space:
    try:
        space = Space(process, await _first_child(process, clock), layout, clock)
        layout.holder.write_text(identity(space.first))
        cgroups.make(cgroups.SYS_FS_CGROUP, layout.name)
        for command in mounts.commands(layout):
            await space.run(*command)
        for command in cable.commands(layout.name, addresses, space.first):
            await run(command)
    except (CommandFailed, OSError, TimeoutError) as problem:
        raise ClusterUnavailable(f"no place for a node can be made: {problem}") from None
    return space


def identity(process: int) -> str:
    """Which process this is, also after its number has been given to another: number and start time."""
    fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    return f"{process} {fields[19].decode()}"


async def _first_child(process: ChildProcess, clock: Clock) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    async with clock.timeout(_START_SECONDS):
        while process.running:
            if found := children.read_text().split():
                return int(found[0])
            await clock.sleep(_POLL_SECONDS)
    raise CommandFailed(f"unshare ended with exit status {process.exit_code}: {process.last_lines()}")
