"""Whether an archive is still the image of this checkout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What .dockerignore lets through, and what decides how it is built.
_FILES = (
    *("deploy/Dockerfile", "deploy/slim.sh", "deploy/finish.sh", ".dockerignore"),
    *("deploy/requirements.txt", "deploy/build-requirements.txt", "constraints.txt"),
    *("pyproject.toml", "README.md", "LICENSE"),
)
_FOLDERS = ("core", "operator", "api", "agent_runtime", "local", "examples")


def digest(checkout: Path) -> str:
    """Changes with every file that is in the image or decides what is in it."""
    whole = hashlib.sha256()
    for file in files(checkout):
        whole.update(f"{file.relative_to(checkout)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def files(checkout: Path) -> Iterator[Path]:
    """What goes into an image, in a fixed order."""
    yield from (checkout / name for name in _FILES)
    for folder in _FOLDERS:
        found = sorted((checkout / folder).rglob("*"))
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an archive was made of; lies beside it."""

    name: str
    inputs: str

    def is_of(self, archive: Path) -> bool:
        try:
            said = json.loads(_beside(archive).read_text())
        except (OSError, ValueError):
            return False
        return archive.is_file() and said == {**asdict(self), "bytes": archive.stat().st_size}

    def write(self, archive: Path) -> None:
        _beside(archive).write_text(json.dumps({**asdict(self), "bytes": archive.stat().st_size}))


def _beside(archive: Path) -> Path:
    return archive.with_suffix(".json")
