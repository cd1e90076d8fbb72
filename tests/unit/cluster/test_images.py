"""Archives of images, as docker and containerd read them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from tests.e2e.cluster.node.images import Image, with_libraries, write_archive


@pytest.fixture
def image(tmp_path: Path) -> Image:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    return Image("example.dev/it:1", {"bin/two": tmp_path / "two", "bin/one": tmp_path / "one"}, ("/bin/one",))


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as whole:
        content = whole.extractfile(name)
        assert content is not None
        return content.read()


def test_the_manifest_leads_to_config_and_layer(tmp_path: Path, image: Image) -> None:
    archive = tmp_path / "it.tar"
    write_archive(archive, image)
    (manifest,) = json.loads(read(archive, "manifest.json"))
    assert manifest["RepoTags"] == ["example.dev/it:1"]
    config = json.loads(read(archive, manifest["Config"]))
    layer = read(archive, manifest["Layers"][0])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/bin/one"]


def test_the_layer_has_the_files_as_programs(tmp_path: Path, image: Image) -> None:
    archive, layer = tmp_path / "it.tar", tmp_path / "layer"
    write_archive(archive, image)
    (manifest,) = json.loads(read(archive, "manifest.json"))
    layer.write_bytes(read(archive, manifest["Layers"][0]))
    with tarfile.open(layer) as content:
        assert [(member.name, member.mode) for member in content] == [("bin/one", 0o755), ("bin/two", 0o755)]
    assert read(layer, "bin/two") == b"two"


def test_the_same_content_is_the_same_archive(tmp_path: Path, image: Image) -> None:
    for name in ("first.tar", "second.tar"):
        write_archive(tmp_path / name, image)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_nothing_is_left_where_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "it.tar", Image("it", {"bin/gone": tmp_path / "gone"}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/bin/sh").exists() or not Path("/usr/bin/ldd").exists(), reason="needs ldd")
def test_libraries_are_found_with_the_loader_under_the_paths_that_programs_know() -> None:
    libraries = with_libraries(Path("/bin/sh"))
    assert any("libc" in name for name in libraries)
    assert any("/ld-" in name for name in libraries)
    assert all(not name.startswith("/") and path.is_file() for name, path in libraries.items())
