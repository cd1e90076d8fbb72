"""What an archive of the image holds, and what must not be there: `python -m tests.image_archive FILE`."""

from __future__ import annotations

import json
import struct
import sys
import tarfile
import tomllib
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from greenroom_local.image import pins

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
_ENVIRONMENT = "opt/greenroom/"
_TREES = (_ENVIRONMENT, "app/")
_SECRETS = ("run/secrets", "root/.cache", "root/.config", "etc/pip.conf")


@dataclass(slots=True)
class Archive:
    """The files of all layers by path, the last layer's word counting; and the image's configuration."""

    config: dict[str, Any]
    files: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    base_bytes: int = 0

    @property
    def own_bytes(self) -> int:
        return sum(info.size for info in self.files.values()) - self.base_bytes


def read(file: Path) -> Archive:
    """Read a docker-archive whose first layers are the base's: those without a file in /opt/greenroom."""
    with tarfile.open(file) as outer:
        manifest = json.load(_open(outer, "manifest.json"))[0]
        found = Archive(json.load(_open(outer, manifest["Config"]))["config"])
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=_open(outer, name)) as layer:
                _take(found, layer)
            if not any(path.startswith(_ENVIRONMENT) for path in found.files):
                found.base_bytes = sum(info.size for info in found.files.values())
    return found


def complaints(found: Archive) -> Iterator[str]:
    """A sentence for each thing that an image must not have or be."""
    if found.config.get("User") != "65532:65532":
        yield f"the image's user is {found.config.get('User')!r}"
    wanted = dict(pins.pinned((ROOT / "deploy" / "requirements.txt").read_text())) | {"greenroom": _own_version()}
    for name in sorted(wanted.keys() | found.packages.keys()):
        if found.packages.get(name) != wanted.get(name):
            yield f"{name}: {found.packages.get(name)} is there, {wanted.get(name)} is pinned"
    yield from (f"{path}: not of the source beside it" for path in found.stale)
    for path, info in found.files.items():
        yield from (f"{path}: {what}" for what in _wrong(path, info, found))


def _wrong(path: str, info: tarfile.TarInfo, found: Archive) -> Iterator[str]:
    if path.startswith(_SECRETS) and info.isfile():
        yield "left over from the build"
    if not path.startswith(_TREES) or info.issym():
        return
    if info.mode & 0o6022:
        yield f"its mode is {info.mode:o}"
    if not info.mode & 0o004:
        yield "not everybody may read it"
    if path.endswith(".py") and _bytecode(path) not in found.files and "/site-packages/" in path:
        yield "it has no bytecode"
    if "/tests/" in path:
        yield "a test"


def _take(found: Archive, layer: tarfile.TarFile) -> None:
    members = {info.name.removeprefix("./").removeprefix("/"): info for info in layer}
    found.files |= members
    for path, info in members.items():
        source = found.files.get(_source(path)) if path.endswith(".pyc") else None
        if source is not None and _source_time(_bytes(layer, info)) != int(source.mtime):
            found.stale.append(path)
        if path.startswith(_ENVIRONMENT) and path.endswith(".dist-info/METADATA"):
            metadata = BytesHeaderParser().parsebytes(_bytes(layer, info))
            found.packages[canonicalize_name(metadata["Name"])] = metadata["Version"]


def _source_time(bytecode: bytes) -> int:
    """Of what the bytecode was made (PEP 552): flags, then seconds."""
    flags, seconds = struct.unpack("<II", bytecode[4:12])
    return int(seconds) if flags == 0 else -1


def _source(bytecode: str) -> str:
    compiled = PurePosixPath(bytecode)
    return str(compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py")


def _bytecode(path: str) -> str:
    source = PurePosixPath(path)
    tag = f"cpython-{pins.PYTHON_VERSION.replace('.', '')}"
    return str(source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc")


def _own_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = archive.extractfile(name)
    if stream is None:
        raise ValueError(f"{name} is no file in {archive.name!r}")
    return stream


def _bytes(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    return b"" if stream is None else stream.read()


def main() -> int:
    found = read(Path(sys.argv[1]))
    problems = list(complaints(found))
    print(f"base {found.base_bytes / 1e6:.0f} MB, above it {found.own_bytes / 1e6:.0f} MB, {len(found.files)} files")
    print("\n".join(problems) or "nothing that must not be there")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
