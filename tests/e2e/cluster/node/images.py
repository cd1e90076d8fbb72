"""Images without a registry and without a builder: programs as they are, in archives of one layer.

The form is docker's (``docker save``), which containerd, docker and kind take.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """`files` maps paths inside, such as ``bin/pause``, to files here."""

    name: str
    files: Mapping[str, Path]
    entrypoint: Sequence[str] = ()


def write_archive(archive: Path, image: Image) -> None:
    """The same content gives the same archive, byte for byte."""
    layer = archive.with_suffix(".layer")
    try:
        with layer.open("wb") as file, tarfile.open(fileobj=file, mode="w") as content:
            for inner, path in sorted(image.files.items()):
                _add(content, inner, path)
        with layer.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        config = json.dumps(_config(image, digest)).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": [f"{digest}.tar"]}]
        with tarfile.open(archive, "w") as whole:
            _add_bytes(whole, config_name, config)
            _add(whole, f"{digest}.tar", layer)
            _add_bytes(whole, "manifest.json", json.dumps(manifest).encode())
    finally:
        layer.unlink(missing_ok=True)


def with_libraries(program: Path) -> dict[str, Path]:
    """The shared libraries that a program is loaded with here, by their paths inside. Raises OSError."""
    try:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise OSError(f"ldd {program}: {error.stderr.strip() or error.stdout.strip()}") from None
    words = [word for line in done.stdout.splitlines() for word in line.split()]
    return {word.lstrip("/"): Path(word).resolve() for word in words if word.startswith("/")}


def _config(image: Image, digest: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin"], "Entrypoint": list(image.entrypoint)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "greenroom"}],
    }


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    member = tarfile.TarInfo(name)
    member.size = path.stat().st_size
    member.mode = 0o755
    with path.open("rb") as content:
        archive.addfile(member, content)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))
