"""The cgroup of the pods in both versions, on folders that look like the kernel's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster.node import cgroups

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Version 1: a hierarchy for each controller, one of them under two names, and version 2 beside without any."""
    for name in ("cpuset", "memory", "cpu,cpuacct", "unified", "not-ours"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "cpuset" / "cpuset.cpu_exclusive").write_text("1")
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0\n")
    (tmp_path / "unified" / "cgroup.controllers").write_text("")
    return tmp_path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory\n")
    return tmp_path


def test_version_1_has_one_top_for_each_hierarchy(first: Path) -> None:
    assert [root.name for root in cgroups.roots(first)] == ["cpu,cpuacct", "cpuset", "memory", "unified"]


def test_a_new_cpuset_of_version_1_gets_processors_and_memory(first: Path) -> None:
    cgroups.make(first, "ours")
    assert (first / "cpuset" / "ours" / "cpuset.cpus").read_text() == "0-1\n"
    assert (first / "cpuset" / "ours" / "cpuset.mems").read_text() == "0\n"
    assert (first / "memory" / "ours").is_dir()
    assert not (first / "not-ours" / "ours").exists()


def test_version_2_gets_every_controller(second: Path) -> None:
    cgroups.make(second, "ours")
    assert (second / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory"
    assert (second / "ours").is_dir()


def test_all_of_it_is_removed_from_the_bottom_up(second: Path) -> None:
    (second / "ours" / "kubepods" / "burstable" / "pod1").mkdir(parents=True)
    (second / "theirs").mkdir()
    assert cgroups.remove(second, "ours")
    assert not (second / "ours").exists()
    assert (second / "theirs").is_dir()


def test_one_that_was_never_made_is_gone(second: Path) -> None:
    assert cgroups.remove(second, "ours")


def test_one_in_use_stays_and_its_processes_are_named(second: Path) -> None:
    (second / "ours" / "pod1").mkdir(parents=True)
    (second / "ours" / "pod1" / "cgroup.procs").write_text("41\n42\n")
    assert not cgroups.remove(second, "ours")
    assert cgroups.processes(second, "ours") == {41, 42}
