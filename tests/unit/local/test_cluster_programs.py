"""Where the parts of the end-to-end suite's cluster come from, and what is said when one cannot be had."""

from __future__ import annotations

import io
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import NotFound, cache, find_kind, pins
from greenroom_local.binaries.build import BuildFailed, build_contour
from greenroom_local.binaries.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """A user's machine with an empty cache and nothing on the PATH."""

    def __init__(self, home: Path) -> None:
        self.tools = home / "tools"
        self.tools.mkdir()
        self.environment = {"XDG_CACHE_HOME": str(home / "cache"), "PATH": str(self.tools)}
        self.output = io.StringIO()

    @property
    def progress(self) -> Progress:
        return Progress(self.output)

    @property
    def cached_kind(self) -> Path:
        return cache.part_folder(self.environment, f"kind-{pins.KIND_VERSION}") / "kind"

    def put_go(self, built: Path, module: Path | None = None) -> None:
        """A `go` that "builds" by copying, and says that modules lie in `module`."""
        go = self.tools / "go"
        go.write_text(
            "#!/bin/sh\n"
            '[ "$1" = env ] && { echo go1.26.6; exit 0; }\n'
            f'[ "$1" = list ] && {{ echo {module}; exit 0; }}\n'
            'while [ "$1" != -o ]; do shift; done\n'
            f'{shutil.which("cp")} {built} "$2"\n'
        )
        go.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def refuse(*_: object) -> Path:
        raise AssertionError("a test must not fetch Go")

    monkeypatch.setattr("greenroom_local.binaries.build._go_from_wheel", refuse)
    return Machine(tmp_path)


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_users_own_kind_goes_before_ours(machine: Machine) -> None:
    own = program(machine.tools / "kind")
    program(machine.cached_kind)
    assert find_kind(machine.environment, machine.progress) == own


def test_what_is_in_the_cache_is_taken_without_a_word(machine: Machine) -> None:
    program(machine.cached_kind)
    assert find_kind(machine.environment, machine.progress) == machine.cached_kind
    assert machine.output.getvalue() == ""


def test_what_is_nowhere_is_built_once(machine: Machine, tmp_path: Path) -> None:
    machine.put_go(program(tmp_path / "built"))
    assert find_kind(machine.environment, machine.progress) == machine.cached_kind
    assert machine.output.getvalue().splitlines()[-1].startswith(f"build: kind-{pins.KIND_VERSION} is in ")
    (machine.tools / "go").unlink()
    assert find_kind(machine.environment, machine.progress) == machine.cached_kind


def test_offline_it_is_told_what_is_missing_and_where(machine: Machine) -> None:
    machine.environment["GREENROOM_OFFLINE"] = "1"
    with pytest.raises(NotFound, match=rf"kind-{pins.KIND_VERSION} is not in .*/cache/greenroom/kind-"):
        find_kind(machine.environment, machine.progress)


def test_a_build_that_fails_leaves_nothing_that_looks_built(machine: Machine, tmp_path: Path) -> None:
    machine.put_go(tmp_path / "nothing")
    with pytest.raises(NotFound, match=r"making it failed: building kind: exit status"):
        find_kind(machine.environment, machine.progress)
    assert not machine.cached_kind.parent.exists()


def test_contour_comes_with_its_own_manifests_in_files_that_can_be_removed(machine: Machine, tmp_path: Path) -> None:
    source = tmp_path / "module" / "examples" / "contour"
    source.mkdir(parents=True)
    (source / "01-it.yaml").write_text("kind: It\n")
    (source / "01-it.yaml").chmod(0o444)
    machine.put_go(program(tmp_path / "built"), tmp_path / "module")
    folder = tmp_path / "stage"
    folder.mkdir()
    build_contour(folder, machine.environment, machine.progress)
    copied = folder / "manifests" / "01-it.yaml"
    assert copied.read_text() == "kind: It\n"
    assert copied.stat().st_mode & stat.S_IWUSR


def test_a_contour_without_manifests_is_none(machine: Machine, tmp_path: Path) -> None:
    machine.put_go(program(tmp_path / "built"), tmp_path)
    (tmp_path / "stage").mkdir()
    with pytest.raises(BuildFailed, match="has no examples/contour"):
        build_contour(tmp_path / "stage", machine.environment, machine.progress)
