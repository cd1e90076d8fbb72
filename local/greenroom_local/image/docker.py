"""Building with a Docker that answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_local.image.commands import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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
        await self.log.run(
            *("docker", "build", "--progress=plain", *secrets.flags(), *_proxies(os.environ)),
            *("--file", str(checkout / "deploy" / "Dockerfile"), "--tag", name, str(checkout)),
            environment={**os.environ, "DOCKER_BUILDKIT": "1"},
        )

    async def save(self, name: str, archive: Path) -> None:
        """The image as docker-archive."""
        await self.log.run("docker", "save", "--output", str(archive), name)


def _proxies(environment: Mapping[str, str]) -> Iterator[str]:
    """Docker hands these on only when told, reads their values itself, and keeps them out of the image."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        yield from (f"--build-arg={word}" for word in (name, name.upper()) if environment.get(word))
