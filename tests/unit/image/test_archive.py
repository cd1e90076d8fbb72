"""That an archive which is wrong is noticed. `make e2e` looks at the one that it installs."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests import image_archive

from greenroom_local.image import pins

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = "opt/greenroom/lib/python3.13/site-packages"
USER = "65532:65532"
TIME = 1767225600


@dataclass(slots=True)
class Made:
    """An archive in the making: the base, then what is ours, as it should be."""

    ours: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text = (image_archive.ROOT / "deploy" / "requirements.txt").read_text()
        for name, version in [*pins.pinned(text), ("greenroom", "0.1.0")]:
            metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
            self.ours[f"{PACKAGES}/{name}-{version}.dist-info/METADATA"] = metadata.encode()
        self.module("greenroom/clock")

    def module(self, name: str, source_time: int = TIME) -> None:
        folder, _, stem = f"{PACKAGES}/{name}".rpartition("/")
        self.ours[f"{folder}/{stem}.py"] = b"pass\n"
        self.ours[f"{folder}/__pycache__/{stem}.cpython-313.pyc"] = b"\xf3\r\r\n" + struct.pack(
            "<III", 0, source_time, 5
        )

    def write(self, file: Path, user: str = USER) -> Path:
        layers = [self._tar({"usr/bin/python3": b"python"}), self._tar(self.ours)]
        manifest = [{"Config": "config.json", "Layers": ["0.tar", "1.tar"]}]
        content = {
            "manifest.json": json.dumps(manifest).encode(),
            "config.json": json.dumps({"config": {"User": user}}).encode(),
            **{f"{number}.tar": layer for number, layer in enumerate(layers)},
        }
        file.write_bytes(self._tar(content))
        return file

    def _tar(self, content: dict[str, bytes]) -> bytes:
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w") as archive:
            for path, data in content.items():
                info = tarfile.TarInfo(path)
                info.size, info.mtime, info.mode = len(data), TIME, self.modes.get(path, 0o644)
                archive.addfile(info, io.BytesIO(data))
        return whole.getvalue()


def complaints(file: Path) -> list[str]:
    return list(image_archive.complaints(image_archive.read(file)))


@pytest.fixture
def made() -> Made:
    return Made()


def test_one_as_it_should_be_passes(made: Made, tmp_path: Path) -> None:
    file = made.write(tmp_path / "image.tar")
    assert complaints(file) == []
    found = image_archive.read(file)
    assert (found.base_bytes, found.own_bytes) == (len(b"python"), sum(map(len, made.ours.values())))


def test_root_is_noticed(made: Made, tmp_path: Path) -> None:
    assert complaints(made.write(tmp_path / "image.tar", user="")) == ["the image's user is ''"]


def test_another_version_and_a_package_more_are_noticed(made: Made, tmp_path: Path) -> None:
    made.ours[f"{PACKAGES}/av.dist-info/METADATA"] = b"Name: Av\nVersion: 16.1.0\n"
    (numpy,) = [path for path in made.ours if "numpy" in path]
    made.ours[numpy] = b"Name: numpy\nVersion: 1.0\n"
    first, second = complaints(made.write(tmp_path / "image.tar"))
    assert first == "av: 16.1.0 is there, None is pinned"
    assert second.startswith("numpy: 1.0 is there, 2.")


def test_bytecode_that_python_would_not_take_is_noticed(made: Made, tmp_path: Path) -> None:
    made.module("greenroom/clock", source_time=TIME + 1)
    made.ours[f"{PACKAGES}/greenroom/bare.py"] = b"pass\n"
    assert complaints(made.write(tmp_path / "image.tar")) == [
        f"{PACKAGES}/greenroom/__pycache__/clock.cpython-313.pyc: not of the source beside it",
        f"{PACKAGES}/greenroom/bare.py: it has no bytecode",
    ]


@pytest.mark.parametrize(
    ("path", "mode", "said"),
    [
        ("run/secrets/pip.conf", 0o644, "left over from the build"),
        ("root/.cache/pip/x", 0o644, "left over from the build"),
        ("app/examples/data", 0o666, "its mode is 666"),
        ("opt/greenroom/bin/su", 0o4755, "its mode is 4755"),
        ("app/examples/data", 0o640, "not everybody may read it"),
        (f"{PACKAGES}/numpy/tests/data", 0o644, "a test"),
    ],
)
def test_what_must_not_be_there_is_noticed(made: Made, tmp_path: Path, path: str, mode: int, said: str) -> None:
    made.ours[path] = b"x"
    made.modes[path] = mode
    assert complaints(made.write(tmp_path / "image.tar")) == [f"{path}: {said}"]
