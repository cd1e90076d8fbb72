"""The node's containerd, which shares nothing with one that the machine may have: its images and its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.cluster.commands import CommandFailed, run
from tests.e2e.cluster.model import ClusterFailed
from tests.e2e.cluster.node import configs
from tests.e2e.cluster.node.archives import PAUSE
from tests.e2e.cluster.node.layout import CONTAINERD_SOCKET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.cluster.node.crew import Crew
    from tests.e2e.cluster.node.space import Space

_CTR = ("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io")
_IMPORT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Containerd:
    """The one in `space`."""

    space: Space

    async def start(self, crew: Crew, archives: Sequence[Path]) -> None:
        """Up, and with the images of the `archives` inside. Raises ClusterFailed."""
        layout = self.space.layout
        config = layout.config / "containerd.toml"
        findmnt = ("findmnt", "--noheadings", "--output=FSTYPE", f"--target={layout.containerd}")
        config.write_text(configs.containerd(PAUSE, configs.snapshotter((await run(findmnt)).strip())))
        crew.start(self.space.child("containerd", ("containerd", f"--config={config}")))
        await crew.until("containerd answers", self._answers)
        for archive in archives:
            await self.load(archive)

    async def load(self, archive: Path) -> None:
        """Take the images of a docker-archive, under their names. Raises ClusterFailed."""
        try:
            await self.space.run(*_CTR, "images", "import", str(archive.resolve()), seconds=_IMPORT_SECONDS)
        except CommandFailed as problem:
            raise ClusterFailed(str(problem)) from None

    async def _answers(self) -> bool:
        try:
            await self.space.run(*_CTR, "version")
        except CommandFailed:
            return False
        return True
