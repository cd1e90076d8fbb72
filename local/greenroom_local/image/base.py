"""A stand-in for python:3.13-slim where no registry is asked: Debian's own packages, cut as the official image is."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom_local.image.commands import Log

_SUITE = "trixie"  # whose Python is 3.13
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
# The official image has none of these, no bytecode, and of the documents only the licences.
_LEFT_OUT = (
    *("usr/share/man", "usr/share/info", "usr/share/locale"),
    *("var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log"),
)


def recipe() -> str:
    """Changes with what a base is made of."""
    return hashlib.sha256(repr((_SUITE, _PACKAGES, _LEFT_OUT)).encode()).hexdigest()[:12]


async def make(buildah: tuple[str, ...], name: str, log: Log, scratch: Path) -> None:
    """Commit the base as image `name`. Needs root, debootstrap and Debian's mirror; raises Unbuildable."""
    root = scratch / "base"
    discard(root)
    try:
        await log.run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(root))
        _cut(root)
        (root / "usr/bin/python").symlink_to("python3")
        container = f"greenroom-base-{recipe()}"
        await log.run(*buildah, "from", "--name", container, "scratch")
        await log.run(*buildah, "add", container, str(root), "/")
        await log.run(*buildah, "config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin", container)
        await log.run(*buildah, "config", "--cmd", "python3", container)
        await log.run(*buildah, "commit", "--rm", container, name)
    finally:
        discard(root)


def discard(root: Path) -> None:
    """Remove a tree, if it is there. A killed debootstrap leaves the machine's /proc and /sys mounted in it."""
    mounted = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    for place in reversed([place for place in mounted if place.startswith(f"{root}/")]):
        subprocess.run(["umount", "--lazy", place], check=True)
    if root.exists():
        shutil.rmtree(root)


def _cut(root: Path) -> None:
    for folder in _LEFT_OUT:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir()
    for document in (root / "usr/share/doc").rglob("*"):
        if document.name != "copyright" and not document.is_dir():
            document.unlink()
    for cache in (root / "usr/lib").rglob("__pycache__"):
        shutil.rmtree(cache)
