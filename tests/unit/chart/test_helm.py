"""Where helm comes from, and what is said when there is none."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import NotFound, Unusable, cache, find_helm
from greenroom_local.binaries.helm import examine_helm
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

    def find(self) -> Path:
        return find_helm(self.environment, Progress(self.output))

    @property
    def cached(self) -> Path:
        return cache.helm_folder(self.environment) / "helm"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def refuse(*_: object) -> Path:
        raise AssertionError("a test must not fetch Go")

    monkeypatch.setattr("greenroom_local.binaries.build._go_from_wheel", refuse)
    return Machine(tmp_path)


def put_helm(path: Path, version: str = "3.22.0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho v{version}\n")
    path.chmod(0o755)
    return path


def put_go(machine: Machine, built: Path) -> None:
    """A `go` that "builds" by copying: what is under test is the order, not the Go compiler."""
    go = machine.tools / "go"
    go.write_text(
        "#!/bin/sh\n"
        '[ "$1" = env ] && { echo go1.26.6; exit 0; }\n'
        'while [ "$1" != -o ]; do shift; done\n'
        f'{shutil.which("cp")} {built} "$2"\n'
    )
    go.chmod(0o755)


def test_the_cached_one_is_used_before_the_path(machine: Machine) -> None:
    put_helm(machine.tools / "helm")
    put_helm(machine.cached)
    assert machine.find() == machine.cached
    assert machine.output.getvalue() == ""


def test_one_on_the_path_is_used_when_its_version_will_do(machine: Machine) -> None:
    helm = put_helm(machine.tools / "helm", "3.15.2")
    assert machine.find() == helm


@pytest.mark.parametrize("version", ["2.17.0", "3.13.9", "4.0.1"])
def test_one_of_another_generation_is_passed_over_and_ours_is_built(
    machine: Machine, tmp_path: Path, version: str
) -> None:
    found = put_helm(machine.tools / "helm", version)
    with pytest.raises(Unusable, match=rf"{version}, needed is a 3\.x from 3\.14 on"):
        examine_helm(found)
    put_go(machine, put_helm(tmp_path / "built"))
    assert machine.find() == machine.cached
    assert machine.output.getvalue().splitlines()[-1] == f"build: helm is in {machine.cached.parent}"


def test_offline_with_none_is_one_sentence_that_says_what_to_put_where(machine: Machine) -> None:
    machine.environment["GREENROOM_OFFLINE"] = "1"
    with pytest.raises(NotFound) as refusal:
        machine.find()
    assert str(refusal.value) == (
        f"GREENROOM_OFFLINE is set and there is no helm here: put a helm 3.22.0 into {machine.cached.parent} "
        "or on the PATH."
    )


def test_a_build_that_fails_is_one_line_with_its_cause(machine: Machine, tmp_path: Path) -> None:
    put_go(machine, tmp_path / "nothing")
    with pytest.raises(NotFound, match=r"^There is no helm here and building one failed \(building helm: exit"):
        machine.find()
    assert not machine.cached.exists()
