"""Building with a Docker that answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_local.image.commands import answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greenroom_local.image.commands import Log
    from greenroom_local.image.trust import Secrets


async def usable() -> bool:
    """Whether a daemon answers: a client alone proves nothing."""
    return await answers("docker", "info") is not None


@dataclass(frozen=True, slots=True)
class Docker:
    """Docker with BuildKit, for the secrets."""

    log: Log

    async def prepare(self, say: Callable[[str], None]) -> None:
        """Nothing: Docker fetches the base itself."""

    async def build(self, name: str, checkout: Path, secrets: Secrets) -> None:
        """`name` from the Dockerfile."""
        file = str(checkout / "deploy" / "Dockerfile")
        words = ("docker", "build", "--progress=plain", *secrets.flags(), "--file", file, "--tag", name, str(checkout))
        await self.log.run(*words, environment={**os.environ, "DOCKER_BUILDKIT": "1"})

    async def save(self, name: str, archive: Path) -> None:
        """The image as docker-archive."""
        await self.log.run("docker", "save", "--output", str(archive), name)
