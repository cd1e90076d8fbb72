"""Building without Docker: buildah as root, in a chroot, with a storage of our own in the user's cache."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenroom_local.image import base
from greenroom_local.image.commands import Unbuildable, answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from greenroom_local.image.commands import Log
    from greenroom_local.image.trust import Secrets

_PROGRAMS = ("buildah", "debootstrap")
_PACKAGES = (*_PROGRAMS, "ca-certificates", "debian-archive-keyring")
# All that is built gets one time, the Dockerfile's: bytecode names its source's, so another one would make it void.
_EPOCH = "1767225600"


@dataclass(frozen=True, slots=True)
class Buildah:
    """Images in `folder`; only root can use it."""

    folder: Path
    log: Log

    async def prepare(self, say: Callable[[str], None]) -> None:
        """The programs and the base, so that a build needs only the package index."""
        if os.geteuid() != 0:
            raise Unbuildable("no Docker answers here, and without it an image is built by root alone: start Docker")
        await self._install(say)
        self.folder.mkdir(parents=True, exist_ok=True)
        # What a build that was killed has left.
        await self.log.run(*self._buildah, "rm", "--all")
        if not await answers(*self._buildah, "images", "--quiet", self._base):
            say("making a base like python:3.13-slim from Debian's packages, once: about a minute")
            await base.make(self._buildah, self._base, self.log, self.folder)

    async def build(self, name: str, checkout: Path, secrets: Secrets) -> None:
        """`name` from the Dockerfile."""
        await self.log.run(
            *(*self._buildah, "build", "--isolation", "chroot", "--network", "host", "--pull-never"),
            *("--build-arg", f"BASE={self._base}", *secrets.flags()),
            *("--build-arg", f"SOURCE_DATE_EPOCH={_EPOCH}", "--timestamp", _EPOCH),
            *("--ignorefile", str(checkout / ".dockerignore"), "--file", str(checkout / "deploy" / "Dockerfile")),
            *("--tag", _local(name), str(checkout)),
        )
        await self.log.run(*self._buildah, "rmi", "--prune")

    async def save(self, name: str, archive: Path) -> None:
        """The image as docker-archive."""
        await self.log.run(*self._buildah, "push", _local(name), f"docker-archive:{archive}:{_full(name)}")

    @property
    def _base(self) -> str:
        return f"localhost/greenroom-base:{base.recipe()}"

    @property
    def _buildah(self) -> tuple[str, ...]:
        storage = ("--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run"))
        return ("buildah", *storage, "--storage-driver", "vfs")

    async def _install(self, say: Callable[[str], None]) -> None:
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        if not missing:
            return
        if shutil.which("apt-get") is None:
            raise Unbuildable(f"neither Docker nor {' and '.join(missing)} is here: install one of them")
        say(f"installing {', '.join(_PACKAGES)}")
        # Somebody else may be installing something. What buildah recommends it needs: on Debian 13 it wants netavark.
        apt = ("apt-get", "--option=DPkg::Lock::Timeout=300", "-q")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        await self.log.run(*apt, "update", environment=environment)
        await self.log.run(*apt, "install", "-y", *_PACKAGES, environment=environment)


def _local(name: str) -> str:
    """Without a registry in front buildah would look for one."""
    return name if _has_registry(name) else f"localhost/{name}"


def _full(name: str) -> str:
    """As Docker and the nodes of a cluster understand `name`."""
    if _has_registry(name):
        return name
    return f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"


def _has_registry(name: str) -> bool:
    first, _, rest = name.partition("/")
    return bool(rest) and (first == "localhost" or "." in first or ":" in first)
