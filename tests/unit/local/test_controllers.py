"""Where kube-controller-manager comes from, and what is said when there is none for this API server."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from greenroom_local.binaries import Binaries, NotFound, cache, find_controller_manager, pins
from greenroom_local.binaries.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """A user's machine with a control plane's binaries, an empty cache and nothing on the PATH."""

    def __init__(self, home: Path) -> None:
        self.tools = home / "tools"
        self.tools.mkdir()
        self.environment = {"XDG_CACHE_HOME": str(home / "cache"), "PATH": str(self.tools)}
        self.output = io.StringIO()
        self.binaries = Binaries(home / "assets", "KUBEBUILDER_ASSETS", pins.KUBERNETES_VERSION, pins.ETCD_VERSION)

    def find(self) -> Path:
        return find_controller_manager(self.binaries, self.environment, Progress(self.output))

    @property
    def cached(self) -> Path:
        return cache.controller_manager_folder(self.environment) / "kube-controller-manager"

    @property
    def beside(self) -> Path:
        return self.binaries.folder / "kube-controller-manager"

    @property
    def on_path(self) -> Path:
        return self.tools / "kube-controller-manager"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def refuse(*_: object) -> Path:
        raise AssertionError("a test must not fetch Go")

    monkeypatch.setattr("greenroom_local.binaries.build._go_from_wheel", refuse)
    return Machine(tmp_path)


def put(path: Path, version: str = pins.KUBERNETES_VERSION) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
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


def test_the_order_is_beside_the_api_server_then_the_cache_then_the_path(machine: Machine) -> None:
    for place in (machine.on_path, machine.cached, machine.beside):
        put(place)
        assert machine.find() == place
    assert machine.output.getvalue() == ""


def test_one_of_another_minor_version_is_passed_over_and_ours_is_built(machine: Machine, tmp_path: Path) -> None:
    put(machine.on_path, "1.35.9")
    put_go(machine, put(tmp_path / "built"))
    assert machine.find() == machine.cached
    said = f"build: kube-controller-manager is in {machine.cached.parent}"
    assert machine.output.getvalue().splitlines()[-1] == said


def test_none_is_built_for_an_api_server_of_another_minor_version(machine: Machine, tmp_path: Path) -> None:
    machine.binaries = replace(machine.binaries, kubernetes_version="1.33.4")
    put_go(machine, put(tmp_path / "built"))
    with pytest.raises(NotFound, match=r"can be built here: put one of Kubernetes 1\.33 into "):
        machine.find()
    put(machine.on_path, "1.33.0")
    assert machine.find() == machine.on_path


def test_offline_with_none_says_what_to_put_where(machine: Machine) -> None:
    machine.environment["GREENROOM_OFFLINE"] = "1"
    with pytest.raises(NotFound, match=r"there is no kube-controller-manager here: put one of Kubernetes 1\.36 into "):
        machine.find()


def test_a_build_that_fails_is_one_line_with_its_cause(machine: Machine, tmp_path: Path) -> None:
    put_go(machine, tmp_path / "nothing")
    with pytest.raises(NotFound, match=r"building one failed \(building kube-controller-manager: exit"):
        machine.find()
    assert not machine.cached.exists()
